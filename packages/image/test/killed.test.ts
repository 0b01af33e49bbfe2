import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { layoutOf, makeImage, makeLayer, tarOfFiles } from './support/make-image.ts'
import { openRealBedAt } from './support/real-bed.ts'

const old = makeImage([makeLayer('shared'), makeLayer('old')])
const young = makeImage([
  makeLayer('shared'),
  ...Array.from({ length: 6 }, (_, i) => makeLayer(`young-${i}`)),
])
const tagged = (name: string) => ({ 'io.containerd.image.name': `docker.io/library/${name}` })
const worker = join(import.meta.dirname, 'support/load-worker.ts')
const { deno } = process.versions as { deno?: string }
const flags = [...(deno ? ['run', '-A'] : []), '--conditions=@varve/source']

let base: string
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'image-killed-'))
})
afterEach(async () => {
  await rm(base, { recursive: true, force: true })
})

/** Loads in another process, kills it so many ms after it is ready; whether it said that it is done. */
async function loadAndKill(root: string, archive: string, after: number): Promise<boolean> {
  const child = spawn(process.execPath, [...flags, worker, root, archive, 'keep'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  for await (const chunk of child.stdout) {
    said += chunk
    if (said.includes('loaded')) break
    if (said.includes('ready') && !child.killed) {
      await wait(after)
      child.kill('SIGKILL')
    }
  }
  await ended
  return said.includes('loaded')
}

test('a load killed at any moment is there whole or not at all, and leaves nothing else', async () => {
  const root = join(base, 'root')
  const archive = join(base, 'young.tar')
  await writeFile(archive, tarOfFiles(layoutOf([{ image: young, annotations: tagged('young:1') }])))
  await writeFile(
    join(base, 'old.tar'),
    tarOfFiles(layoutOf([{ image: old, annotations: tagged('old:1') }])),
  )
  {
    await using bed = await openRealBedAt(root)
    await bed.images.load(join(base, 'old.tar'))
  }
  for (const after of [0, 5, 10, 20, 30, 45, 80, 150]) {
    const acknowledged = await loadAndKill(root, archive, after)
    await using bed = await openRealBedAt(root)
    const tags = (await bed.images.list()).flatMap((image) => image.tags).sort()
    if (acknowledged) expect(tags).toContain('young:1')
    expect(tags).toContain('old:1')
    const isThere = (await bed.images.list()).some(({ id }) => id === young.id)
    expect(await Array.fromAsync(bed.store.layers())).toHaveLength(isThere ? 8 : 2)
    expect(await Array.fromAsync(bed.images.check({ full: true }))).toEqual([])
    expect(await Array.fromAsync(bed.store.check({ full: true }))).toEqual([])
    expect(await readdir(join(root, 'varve/images/vfs/work'))).toEqual([])
    if (isThere) await bed.images.remove(young.id, { force: true })
  }
}, 300_000)
