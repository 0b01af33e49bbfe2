/**
 * Applies a layer tar and, beside it, lets `tar -x` unpack the same one: wall and CPU seconds, medians
 * of several runs in turn, and peak memory.
 *
 *   node --conditions=@varve/source bench/apply.ts LAYER.tar [DIRECTORY] [RUNS]
 *
 * DIRECTORY should be on tmpfs or a journaled file system. Nothing is synced on either side.
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { applyLayer } from '@varve/archive'
import { openSys } from '@varve/sys'

const [tar, directory = os.tmpdir(), runs = '5'] = process.argv.slice(2)
if (tar === undefined) {
  console.error('Usage: apply.ts LAYER.tar [DIRECTORY] [RUNS]')
  process.exit(2)
}

interface Run {
  readonly wall: number
  readonly cpu: number
}

function* chunksOf(path: string): Generator<Uint8Array> {
  const fd = fs.openSync(path, 'r')
  const memory = Buffer.allocUnsafeSlow(2 ** 20)
  try {
    for (let read = -1; read !== 0; ) {
      read = fs.readSync(fd, memory)
      if (read > 0) yield memory.subarray(0, read)
    }
  } finally {
    fs.closeSync(fd)
  }
}

async function inNewDirectory<T>(run: (root: string, aside: string) => Promise<T> | T): Promise<T> {
  const base = fs.mkdtempSync(join(directory, 'bench-'))
  const [root, aside] = [join(base, 'root'), join(base, 'aside')]
  for (const path of [root, aside]) fs.mkdirSync(path)
  try {
    return await run(root, aside)
  } finally {
    fs.rmSync(base, { recursive: true })
  }
}

async function ours(path: string): Promise<Run & { readonly entries: number }> {
  return inNewDirectory(async (root, asideDir) => {
    const start = performance.now()
    const used = process.cpuUsage()
    const { entries } = await applyLayer(root, chunksOf(path), { sys, asideDir })
    const { user, system } = process.cpuUsage(used)
    return { wall: (performance.now() - start) / 1e3, cpu: (user + system) / 1e6, entries }
  })
}

async function theirs(path: string): Promise<Run> {
  return inNewDirectory((root) => {
    const start = performance.now()
    // bash's own `times` tells the CPU time of its children.
    const script = 'tar -C "$1" -xpf "$2" && times'
    const { status, stdout } = spawnSync('bash', ['-c', script, 'bash', root, path], {
      encoding: 'utf8',
    })
    const wall = (performance.now() - start) / 1e3
    const children = stdout.trim().split('\n').at(-1) ?? ''
    let cpu = 0
    for (const [, minutes, seconds] of children.matchAll(/(\d+)m([\d.]+)s/g)) {
      cpu += Number(minutes) * 60 + Number(seconds)
    }
    if (status !== 0) throw new Error(`tar ended with status ${status}`)
    return { wall, cpu }
  })
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

const sys = openSys()
const results: Record<string, Run[]> = { varve: [], 'tar -x': [] }
let entries = 0
for (let i = 0; i < Number(runs); i++) {
  const run = await ours(tar)
  entries = run.entries
  results.varve?.push(run)
  results['tar -x']?.push(await theirs(tar))
}
console.log(`${entries} entries, ${(fs.statSync(tar).size / 1e6).toFixed(0)} MB`)
for (const [name, all] of Object.entries(results)) {
  const [wall, cpu] = [median(all.map((r) => r.wall)), median(all.map((r) => r.cpu))]
  const each = ((cpu / entries) * 1e6).toFixed(1)
  console.log(`${name.padEnd(8)} ${wall.toFixed(2)} s, ${cpu.toFixed(2)} CPU s, ${each} µs/entry`)
}
console.log(`peak ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB`)
