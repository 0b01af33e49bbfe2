/**
 * Measures the peak memory of taking in and giving back a small layer and a big one, beside the tools
 * that do the same, and writes the table of bench/README.md. As root:
 *
 *     npm run bench:memory -- [--dir DIR] [--rounds N] [--only NAME] [--print]
 *
 * Other work on the machine does not matter.
 */
import { field } from './harness/entrants.ts'
import { facts } from './harness/machine.ts'
import { requireSpace, runBench } from './harness/options.ts'
import { roundsText } from './harness/tables.ts'
import { bigLayer } from './inputs/layers.ts'
import { compare, keepers } from './stores/compare.ts'
import { Costs, memoryTable } from './stores/report.ts'

/** Megabytes of the layers. */
const [SMALL, BIG] = [100, 2000]
/** The big layer as an image, in a store, and given back, with a copy that a daemon makes of it. */
const SCRATCH_GIGABYTES = 9

await runBench({
  section: 'memory',
  rounds: 1,
  async prepare({ dir }) {
    for (const megabytes of [SMALL, BIG]) await bigLayer(dir, megabytes, process.execPath)
  },
  async run(options) {
    const { dir, scratch, rounds, only } = options
    await requireSpace(options, SCRATCH_GIGABYTES)
    const small = await bigLayer(dir, SMALL, process.execPath)
    const big = await bigLayer(dir, BIG, process.execPath)
    const costs = new Costs()
    await using contestants = await field(keepers(scratch), only)
    const { all } = contestants
    for (const layer of [small, big]) {
      for (const how of ['tar', 'gz'] as const) await compare(all, layer, how, options, costs)
    }
    const names = all.map((one) => one.name)
    return [
      await facts(
        dir,
        ['dockerd', 'skopeo', 'umoci', 'tar'],
        `Medians of ${roundsText(rounds)}, interleaved.`,
      ),
      memoryTable(small, big, names, costs),
    ].join('\n\n')
  },
})
