import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openRealStore } from './stack.ts'

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))
const torture = process.env.VARVE_TORTURE === '1'
const WORKERS = torture ? 8 : 4
const OPERATIONS = torture ? 500 : 40
const ROUNDS = torture ? 10 : 2

interface Told {
  readonly code: number | null
  readonly signal: string | null
  readonly lines: readonly string[]
  readonly errors: string
}

/** Runs one worker, killed in the middle of operation `killIn` if that is given. */
function work(root: string, name: string, seed: number, killIn?: number): Promise<Told> {
  return new Promise((resolve, reject) => {
    const args = [
      '--conditions=@varve/source',
      WORKER,
      root,
      name,
      // One that is to be killed does not end before, however late we are.
      String(killIn === undefined ? OPERATIONS : 1_000_000),
      String(seed),
    ]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let errors = ''
    child.stdout.on('data', (chunk) => {
      out += chunk
      if (killIn !== undefined && out.includes(`. ${killIn}\n`)) {
        setTimeout(() => child.kill('SIGKILL'), seed % 4)
      }
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code, signal, lines: out.split('\n').slice(0, -1), errors })
    })
  })
}

/** The read-write layers that must exist, and those that may, by what the workers told. */
function expectedMounts(told: readonly Told[]): { must: Set<string>; may: Set<string> } {
  const must = new Set<string>()
  const may = new Set<string>()
  for (const line of told.flatMap((t) => t.lines)) {
    const [mark, what, name = ''] = line.split(' ')
    if (what !== 'create' && what !== 'remove') continue
    if (mark === '?') {
      must.delete(name)
      may.add(name)
    } else if (what === 'create' && mark === '!') {
      must.add(name)
    } else {
      may.delete(name)
    }
  }
  return { must, may }
}

test(`${WORKERS} processes on one store, some of them killed, lose nothing and leave nothing`, async () => {
  const root = await mkdtemp(join(tmpdir(), 'varve-many-'))
  const told: Told[] = []
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const all = Array.from({ length: WORKERS }, (_, i) => {
        const seed = 1000 * round + i + 1
        const killIn = i % 2 === 1 ? (seed * 97) % OPERATIONS : undefined
        return work(root, `w${round}-${i}`, seed, killIn)
      })
      told.push(...(await Promise.all(all)))
    }
    for (const t of told) if (t.signal === null) expect(t).toMatchObject({ code: 0, errors: '' })
    const killed = told.filter((t) => t.signal === 'SIGKILL')
    expect(killed).toHaveLength((ROUNDS * WORKERS) / 2)

    await using store = await openRealStore(root)
    expect(await Array.fromAsync(store.check({ full: true }))).toEqual([])
    expect(await store.cleanup()).toEqual([])
    const mounts = new Set((await Array.fromAsync(store.rwLayers())).map((m) => m.name))
    const { must, may } = expectedMounts(told)
    expect([...must].filter((name) => !mounts.has(name))).toEqual([])
    expect([...mounts].filter((name) => !may.has(name))).toEqual([])
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}, 300_000)
