/**
 * Measures how layers are taken in, given back and deleted, beside the tools that do the same, and
 * writes the tables of bench/README.md. As root:
 *
 *     npm run bench -- [--dir DIR] [--rounds N] [--only NAME] [--print]
 *
 * `--dir` must be on a file system with a journal or in memory, and no overlay: see bench/README.md.
 */
import { join } from 'node:path'
import { field } from './harness/entrants.ts'
import { facts } from './harness/machine.ts'
import { requireSpace, runBench } from './harness/options.ts'
import { roundsText } from './harness/tables.ts'
import { COMPRESSIONS, realLayers } from './inputs/layers.ts'
import { compare, keepers } from './stores/compare.ts'
import { digestAlone } from './stores/plain-tools.ts'
import { Costs, costTables } from './stores/report.ts'

/** A layer as an image, in a store, and given back, with a copy that a daemon makes of it. */
const SCRATCH_GIGABYTES = 4
const checkout = join(import.meta.dirname, '..')

await runBench({
  section: 'tables',
  rounds: 5,
  async prepare({ dir }) {
    await realLayers(dir, checkout)
  },
  async run(options) {
    const { dir, scratch, rounds, only } = options
    await requireSpace(options, SCRATCH_GIGABYTES)
    const layers = await realLayers(dir, checkout)
    const costs = new Costs()
    const entrants = [...keepers(scratch), { name: 'digest alone', make: () => digestAlone() }]
    await using contestants = await field(entrants, only)
    const { all } = contestants
    for (const layer of layers) {
      for (const how of COMPRESSIONS) await compare(all, layer, how, options, costs)
    }
    const names = all.map((one) => one.name)
    return [
      await facts(
        dir,
        ['dockerd', 'skopeo', 'umoci', 'tar'],
        `Warm cache. Medians of ${roundsText(rounds)}, interleaved.`,
      ),
      ...layers.map((layer) => costTables(layer, names, costs)),
    ].join('\n\n')
  },
})
