/**
 * Measures how layers are taken in, given back and deleted, beside the tools that do the same, and
 * writes the tables of bench/README.md. As root:
 *
 *     npm run bench -- [--dir DIR] [--rounds N] [--only NAME] [--print]
 *
 * `--dir` must be on a file system with a journal or in memory, and no overlay: see bench/README.md.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../interop/run.ts'
import { field, rotated } from './harness/entrants.ts'
import { facts } from './harness/machine.ts'
import { measure } from './harness/measure.ts'
import { type BenchOptions, requireSpace, runBench } from './harness/options.ts'
import {
  type BenchLayer,
  bigLayer,
  COMPRESSIONS,
  type Compression,
  realLayers,
} from './inputs/layers.ts'
import { hexDigest, wrap } from './inputs/wrap.ts'
import { containersStorage } from './stores/containers-storage.ts'
import type { Contestant } from './stores/contestant.ts'
import { docker } from './stores/docker.ts'
import { digestAlone, tar, umoci } from './stores/plain-tools.ts'
import { Costs, costTables, memoryTable } from './stores/report.ts'
import { varve } from './stores/varve.ts'

const MEDIA_SUFFIX = { tar: 'tar', gz: 'tar+gzip', zst: 'tar+zstd' }
/** Megabytes of the layers that memory is compared for. */
const [SMALL, BIG] = [100, 2000]
/** The big layer as an image, in a store, and given back, with a copy that a daemon makes of it. */
const SCRATCH_GIGABYTES = 9
const checkout = join(import.meta.dirname, '..')

await runBench({
  section: 'tables',
  rounds: 5,
  async prepare({ dir }) {
    await realLayers(dir, checkout)
    for (const megabytes of [SMALL, BIG]) await bigLayer(dir, megabytes, process.execPath)
  },
  async run(options) {
    const { dir, scratch, rounds, only } = options
    await requireSpace(options, SCRATCH_GIGABYTES)
    const layers = await realLayers(dir, checkout)
    const small = await bigLayer(dir, SMALL, process.execPath)
    const big = await bigLayer(dir, BIG, process.execPath)
    const costs = new Costs()
    await using contestants = await field(
      [
        { name: 'varve (erofs)', make: () => varve(scratch, 'erofs') },
        { name: 'varve (overlay2)', make: () => varve(scratch, 'overlay2') },
        { name: 'varve (vfs)', make: () => varve(scratch, 'vfs') },
        { name: 'docker', programs: ['dockerd', 'docker'], make: () => docker(scratch) },
        { name: 'skopeo', programs: ['skopeo'], make: () => containersStorage(scratch) },
        { name: 'umoci', programs: ['umoci'], make: () => umoci(scratch) },
        { name: 'tar', make: () => tar(scratch) },
        { name: 'digest alone', make: () => digestAlone() },
      ],
      only,
    )
    const { all } = contestants
    for (const layer of layers) {
      for (const how of COMPRESSIONS) await compare(all, layer, how, rounds, options, costs)
    }
    for (const layer of [small, big]) {
      for (const how of ['tar', 'gz'] as const) await compare(all, layer, how, 1, options, costs)
    }
    const names = all.map((one) => one.name)
    return [
      await facts(
        dir,
        ['dockerd', 'skopeo', 'umoci', 'tar'],
        `Warm cache. Medians of ${rounds} rounds, interleaved; of the last table, one.`,
      ),
      ...layers.map((layer) => costTables(layer, names, costs)),
      memoryTable(small, big, names, costs),
    ].join('\n\n')
  },
})

/** Every contestant takes the layer in, gives it back and deletes it, in turn, round by round. */
async function compare(
  all: readonly Contestant[],
  layer: BenchLayer,
  compression: Compression,
  rounds: number,
  { scratch }: BenchOptions,
  costs: Costs,
): Promise<void> {
  const file = layer.files[compression]
  const diffID = `sha256:${await hexDigest(layer.files.tar)}`
  const image = join(scratch, 'image')
  await mkdir(image)
  const wrapped = await wrap(file, diffID, MEDIA_SUFFIX[compression], image)
  const input = { layer, compression, file, diffID, wrapped }
  const out = join(scratch, 'out.tar')
  for (let round = 0; round < rounds; round++) {
    for (const one of rotated(all, round)) {
      if (!one.takes(compression)) continue
      const step = async (
        phase: Parameters<Costs['note']>[3],
        command: Parameters<typeof measure>[0],
      ) => {
        await run('sync', ['-f', scratch])
        costs.note(layer, compression, one.name, phase, await measure(command))
      }
      await step('register', await one.register(input))
      if (compression === 'tar' && one.export) {
        await step('export', one.export(input, out))
        if (one.exact && `sha256:${await hexDigest(out)}` !== diffID) {
          throw new Error(`${one.name} did not give ${layer.name} back as it came`)
        }
        await rm(out)
      }
      if (one.remove) await step('delete', one.remove(input))
    }
  }
  await rm(image, { recursive: true })
}
