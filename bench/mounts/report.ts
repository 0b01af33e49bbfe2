/** The tables of mounting a layer, and of reading what is in it. */
import { type Cost, median } from '../harness/measure.ts'
import type { Samples } from '../harness/samples.ts'
import { medianOf, milliseconds, multiples, table } from '../harness/tables.ts'
import type { BenchLayer } from '../inputs/layers.ts'

/** Steps that take milliseconds. */
const STEPS = ['mount', 'first read', 'unmount', 'first read, cold'] as const
/** Those of them that read. */
const LOOKS = ['first read', 'first read, cold'] as const
/** Steps that take seconds. */
const READS = ['read all, cold', 'read all, warm'] as const

/** What was measured of one tree, by `STEP NAME`. */
export interface Measured {
  readonly layer: BenchLayer
  readonly steps: Samples
  readonly reads: ReadonlyMap<string, readonly Cost[]>
}

/** Times of one tree, and how they compare. */
export function mountTables({ layer, steps, reads }: Measured, names: readonly string[]): string {
  const readOf = (name: string, step: string) => {
    const seen = reads.get(`${step} ${name}`)
    return seen && median(seen)
  }
  const stepOf = (name: string, step: string) => {
    const seen = steps.get(`${step} ${name}`)
    return typeof seen === 'object' ? medianOf(seen) : undefined
  }
  const readers = names.filter((name) => READS.some((step) => readOf(name, step)))
  return [
    `### ${layer.name}: ${layer.entries.toLocaleString('en')} entries, ${(layer.bytes.tar / 1e6).toFixed(0)} MB`,
    '',
    ...table(
      ['', ...STEPS.map((step) => `${step}, ms`), ...READS.map((step) => `${step}, s / CPU s`)],
      names.map((name) => [
        name,
        ...STEPS.map((step) => milliseconds(steps.get(`${step} ${name}`))),
        ...READS.map((step) => seconds(readOf(name, step))),
      ]),
    ),
    '',
    `Reading, as a multiple of that of ${readers[0]}`,
    '',
    ...multiples(
      ['', ...LOOKS, ...READS],
      readers.map((name) => [
        name,
        ...LOOKS.map((step) => stepOf(name, step)),
        ...READS.map((step) => readOf(name, step)?.wallSeconds),
      ]),
    ),
  ].join('\n')
}

function seconds(cost: Cost | undefined): string {
  return cost ? `${cost.wallSeconds.toFixed(2)} / ${cost.cpuSeconds.toFixed(2)}` : 'n/a'
}
