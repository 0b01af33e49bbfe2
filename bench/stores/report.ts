/** The tables of taking layers in, giving them back and deleting them. */
import { tell } from '../harness/machine.ts'
import { type Cost, median } from '../harness/measure.ts'
import { multiples, table } from '../harness/tables.ts'
import { type BenchLayer, COMPRESSIONS, type Compression } from '../inputs/layers.ts'

/** Steps of a layer's life in a store. */
export type Phase = 'register' | 'export' | 'delete'

/** What was measured of one layer, one compression, one contestant and one phase. */
export class Costs {
  readonly #seen = new Map<string, Cost[]>()
  readonly #failed = new Set<string>()

  /** Keeps a measurement, and tells it at once. */
  note(layer: BenchLayer, how: Compression, name: string, phase: Phase, cost: Cost): void {
    const key = keyOf(layer, how, name, phase)
    this.#seen.set(key, [...(this.#seen.get(key) ?? []), cost])
    tell(`${key}: ${text(cost)}`)
  }

  /** A contestant did not get to the end with it. */
  fails(layer: BenchLayer, how: Compression, name: string): void {
    this.#failed.add(`${layer.name} ${how} ${name}`)
  }

  /** By each measure on its own. */
  median(layer: BenchLayer, how: Compression, name: string, phase: Phase): Cost | undefined {
    const seen = this.#seen.get(keyOf(layer, how, name, phase))
    return seen && median(seen)
  }

  /** The same as a table has it. */
  cell(layer: BenchLayer, how: Compression, name: string, phase: Phase): string {
    const cost = this.median(layer, how, name, phase)
    if (cost) return text(cost)
    return this.#failed.has(`${layer.name} ${how} ${name}`) ? 'fails' : 'n/a'
  }
}

const COLUMNS: readonly { readonly how: Compression; readonly phase: Phase }[] = [
  ...COMPRESSIONS.map((how) => ({ how, phase: 'register' as const })),
  // Neither depends on the compression that the layer came in.
  { how: 'tar', phase: 'export' },
  { how: 'tar', phase: 'delete' },
]
const TITLES = COLUMNS.map(({ how, phase }) => (phase === 'register' ? `register .${how}` : phase))

/** Seconds, processor seconds and memory of one tree, and how the seconds compare. */
export function costTables(layer: BenchLayer, names: readonly string[], costs: Costs): string {
  const sizes = COMPRESSIONS.map((how) => `${(layer.bytes[how] / 1e6).toFixed(0)} MB .${how}`)
  return [
    `### ${layer.name}: ${layer.entries.toLocaleString('en')} entries, ${sizes.join(', ')}`,
    '',
    'Wall seconds / CPU seconds / peak MB',
    '',
    ...table(
      ['', ...TITLES],
      names.map((name) => [
        name,
        ...COLUMNS.map(({ how, phase }) => costs.cell(layer, how, name, phase)),
      ]),
    ),
    '',
    `Wall time as a multiple of that of ${names[0]}`,
    '',
    ...multiples(
      ['', ...TITLES],
      names.map((name) => [
        name,
        ...COLUMNS.map(({ how, phase }) => costs.median(layer, how, name, phase)?.wallSeconds),
      ]),
    ),
  ].join('\n')
}

/** Peak memory for a small and a large layer. */
export function memoryTable(
  small: BenchLayer,
  big: BenchLayer,
  names: readonly string[],
  costs: Costs,
): string {
  const columns = COLUMNS.filter(({ how }) => how !== 'zst')
  const peak = (layer: BenchLayer, name: string, { how, phase }: (typeof COLUMNS)[number]) =>
    costs.median(layer, how, name, phase)?.peakMB.toFixed(0)
  return [
    `### Peak memory: a layer of ${small.name}, and one of ${big.name}`,
    '',
    ...table(
      [
        'MB',
        ...columns.map(({ how, phase }) => (phase === 'register' ? `register .${how}` : phase)),
      ],
      names.map((name) => [
        name,
        ...columns.map((column) => {
          const [from, to] = [peak(small, name, column), peak(big, name, column)]
          return from === undefined || to === undefined ? 'n/a' : `${from} → ${to}`
        }),
      ]),
    ),
  ].join('\n')
}

function text({ wallSeconds, cpuSeconds, peakMB }: Cost): string {
  return `${wallSeconds.toFixed(2)} / ${cpuSeconds.toFixed(2)} / ${peakMB.toFixed(0)}`
}

function keyOf(layer: BenchLayer, how: Compression, name: string, phase: Phase): string {
  return `${layer.name} .${how}, ${name}, ${phase}`
}
