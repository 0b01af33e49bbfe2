/**
 * Measures mounting a real layer and reading it, beside the tools that do the same, and writes the
 * tables of bench/README.md. As root:
 *
 *     npm run bench:mounts -- [--dir DIR] [--rounds N] [--only NAME] [--print]
 *
 * `--dir` must be on a file system with a journal or in memory, and no overlay: see bench/README.md.
 * The caches of the whole machine are emptied.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Entrant, field, rotated } from './harness/entrants.ts'
import { facts, tell } from './harness/machine.ts'
import { type Cost, measure } from './harness/measure.ts'
import { type BenchOptions, requireSpace, runBench } from './harness/options.ts'
import { Samples, timed } from './harness/samples.ts'
import { roundsText } from './harness/tables.ts'
import type { BenchImage } from './inputs/images.ts'
import { type BenchLayer, realLayers } from './inputs/layers.ts'
import { hexDigest, wrap } from './inputs/wrap.ts'
import { containersStorage } from './life/containers-storage.ts'
import type { Contestant, Mounted } from './life/contestant.ts'
import { dockerCommand } from './life/docker.ts'
import { varveCommand, varveLibrary } from './life/varve.ts'
import { dropCaches, readAll, readOne } from './mounts/reading.ts'
import { type Measured, mountTables } from './mounts/report.ts'
import { unpacked } from './mounts/unpacked.ts'

/** One small file of each tree, some names deep. */
const SAMPLES: Readonly<Record<string, string>> = {
  debian: 'usr/lib/os-release',
  node_modules: 'a/node_modules/typescript/package.json',
}
/** Mounts of each a round: they are quick, and scatter. */
const MOUNTS = 4
const SCRATCH_GIGABYTES = 9
const checkout = join(import.meta.dirname, '..')

await runBench({
  section: 'mounts',
  rounds: 5,
  async prepare({ dir }) {
    await realLayers(dir, checkout)
  },
  async run(options) {
    await requireSpace(options, SCRATCH_GIGABYTES)
    const parts: string[] = []
    for (const layer of await realLayers(options.dir, checkout)) {
      parts.push(await measureLayer(layer, options))
      await rm(options.scratch, { recursive: true })
      await mkdir(join(options.scratch, 'tmp'), { recursive: true })
    }
    const how = [
      `Medians of ${options.rounds * MOUNTS} mounts of each, and of what was read in`,
      `${roundsText(options.rounds)}, interleaved; in parentheses what nine of ten were below.`,
    ]
    const programs = ['dockerd', 'buildah', 'podman', 'tar']
    return [await facts(options.dir, programs, how.join('\n')), ...parts].join('\n\n')
  },
})

function entrants(scratch: string): Entrant<Contestant>[] {
  const at = (name: string) => join(scratch, name)
  return [
    ...['erofs', 'overlay2', 'vfs'].flatMap((driver) => [
      { name: `varve, ${driver} (command)`, make: () => varveCommand(at(driver), driver) },
      { name: `varve, ${driver} (library)`, make: () => varveLibrary(at(driver), driver) },
    ]),
    { name: 'docker', programs: ['dockerd', 'docker'], make: () => dockerCommand(scratch) },
    ...(['buildah', 'podman'] as const).map((tool) => ({
      name: tool,
      programs: [tool, 'skopeo'],
      // A short name: podman takes no longer runroot than 50 characters.
      make: () => containersStorage(tool, at('cs')),
    })),
    { name: 'tar -x', make: () => unpacked(at('unpacked')) },
  ]
}

async function measureLayer(
  layer: BenchLayer,
  { scratch, rounds, only }: BenchOptions,
): Promise<string> {
  const image = await imageOf(layer, join(scratch, 'image'))
  await using contestants = await field(entrants(scratch), only)
  const all = contestants.all.map((one, i) => ({ one, id: `of-${i}` }))
  for (const { one, id } of all) {
    tell(`${one.name} loads ${layer.name}`)
    await one.load(image)
    await one.create(image, id)
  }
  const reads = new Map<string, Cost[]>()
  const measured = { layer, steps: new Samples(), reads }
  // The first round warms up what is warm in use.
  for (let round = -1; round < rounds * MOUNTS; round++) {
    for (const { one, id } of rotated(all, Math.max(round, 0))) {
      await mountAndLook(one, id, measured, round >= 0)
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { one, id } of rotated(all, round)) await readThrough(one, id, measured, reads)
  }
  for (const { one, id } of all) await one.remove(id)
  return mountTables(
    measured,
    contestants.all.map((one) => one.name),
  )
}

async function imageOf({ files }: BenchLayer, dir: string): Promise<BenchImage> {
  await mkdir(dir)
  const { archive } = await wrap(files.tar, `sha256:${await hexDigest(files.tar)}`, 'tar', dir)
  return { name: 'x:x', layers: 1, archive, tars: [files.tar] }
}

/** A mount, a file of it, and its end: milliseconds. */
async function mountAndLook(
  one: Contestant,
  id: string,
  { layer, steps }: Measured,
  counts: boolean,
): Promise<void> {
  const note = (step: string, ms: number) => {
    if (counts) steps.note(`${step} ${one.name}`, ms)
  }
  const file = SAMPLES[layer.name] ?? ''
  if (!one.mount) {
    await using mounted = await looked(one, id)
    note('first read', readOne(mounted.path, file))
    return
  }
  const { ms, value } = await timed(() => one.mount?.(id) as Promise<Mounted>)
  note('mount', ms)
  note('first read', readOne(value.path, file))
  note('unmount', (await timed(() => one.unmount?.(id))).ms)
}

/** A new mount of what nobody has read since the machine forgot everything, and the same again. */
async function readThrough(
  one: Contestant,
  id: string,
  { layer, steps }: Measured,
  reads: Map<string, Cost[]>,
): Promise<void> {
  await using mounted = await looked(one, id)
  await dropCaches()
  const first = readOne(mounted.path, SAMPLES[layer.name] ?? '')
  steps.note(`first read, cold ${one.name}`, first)
  // By whom it was mounted makes no difference to the kernel.
  if (one.by === 'call' || one.name === 'podman') return
  for (const step of ['cold', 'warm']) {
    const cost = await measure(readAll(mounted.path))
    const key = `read all, ${step} ${one.name}`
    reads.set(key, [...(reads.get(key) ?? []), cost])
    tell(`${layer.name}: ${key}: ${cost.wallSeconds.toFixed(2)} s`)
  }
}

/** Mounted, by its own mount or what stands for it. */
async function looked(one: Contestant, id: string): Promise<Mounted & AsyncDisposable> {
  if (!one.mount) {
    if (!one.look) throw new Error(`Cannot look into layers of ${one.name}`)
    return await one.look(id)
  }
  const { path } = await one.mount(id)
  return { path, [Symbol.asyncDispose]: async () => await one.unmount?.(id) }
}
