/** The tables of bench/README.md. */
import { cpus, release, totalmem } from 'node:os'
import { run } from '../interop/run.ts'
import { fileSystemOf } from './contestants.ts'
import { type BenchLayer, COMPRESSIONS } from './layers.ts'
import { type Cost, median } from './measure.ts'

type Costs = ReadonlyMap<string, readonly Cost[]>

/** On what and with what was measured. */
export async function facts(dir: string, rounds: number): Promise<string> {
  const firstLine = async (command: string, ...args: string[]) =>
    (await run(command, args)).split('\n')[0]
  return [
    `Measured ${new Date().toISOString().slice(0, 10)} on ${cpus().length} cores`,
    `(${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 1e9)} GB, Linux ${release()},`,
    `${await fileSystemOf(dir)}, warm cache; Node ${process.version},`,
    `${await firstLine('dockerd', '--version')}, ${await firstLine('skopeo', '--version')},`,
    `${await firstLine('umoci', '--version')}, ${await firstLine('tar', '--version')}.`,
    `Medians of ${rounds} rounds, interleaved.`,
  ].join('\n')
}

/** Register by compression, and export, of one tree. */
export function realTable(layer: BenchLayer, names: readonly string[], costs: Costs): string {
  const columns = [
    ...COMPRESSIONS.map((how) => ({ title: `register .${how}`, key: how, phase: 'register' })),
    { title: 'export', key: 'tar', phase: 'export' },
  ]
  const sizes = COMPRESSIONS.map((how) => `${(layer.bytes[how] / 1e6).toFixed(0)} MB .${how}`)
  return [
    `### ${layer.name}: ${layer.entries.toLocaleString('en')} entries, ${sizes.join(', ')}`,
    '',
    'Wall seconds / CPU seconds / peak MB',
    '',
    ...table(
      ['', ...columns.map((column) => column.title)],
      names.map((name) => [
        name,
        ...columns.map(({ key, phase }) =>
          cell(costs.get(`${layer.name} ${key} ${name} ${phase}`)),
        ),
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
  const columns = [
    { how: 'tar', phase: 'register' },
    { how: 'gz', phase: 'register' },
    { how: 'tar', phase: 'export' },
  ]
  const peak = (layer: BenchLayer, name: string, column: (typeof columns)[number]) => {
    const seen = costs.get(`${layer.name} ${column.how} ${name} ${column.phase}`)
    return seen ? `${median(seen).peakMB.toFixed(0)} MB` : 'n/a'
  }
  return [
    `### Peak memory: a layer of ${small.name}, and one of ${big.name}`,
    '',
    ...table(
      ['', ...columns.map(({ how, phase }) => `${phase} .${how}`)],
      names.map((name) => [
        name,
        ...columns.map((column) => `${peak(small, name, column)} → ${peak(big, name, column)}`),
      ]),
    ),
  ].join('\n')
}

function cell(costs: readonly Cost[] | undefined): string {
  if (!costs) return 'n/a'
  const { wallSeconds, cpuSeconds, peakMB } = median(costs)
  return `${wallSeconds.toFixed(2)} / ${cpuSeconds.toFixed(2)} / ${peakMB.toFixed(0)}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)]
}
