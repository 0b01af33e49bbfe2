/** Tables in Markdown, and their place in bench/README.md. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The lines of a table: what its rows are called to the left, figures to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)]
}

/**
 * A table of how often each figure holds that of the first row.
 *
 * @param rows each with what is compared, `undefined` where there is none
 */
export function multiples(
  head: readonly string[],
  rows: readonly (readonly [string, ...(number | undefined)[]])[],
): string[] {
  const [, ...units] = rows[0] ?? ['']
  const cell = (value: number | undefined, unit: number | undefined) =>
    value === undefined || !unit ? 'n/a' : `${timesText(value / unit)}×`
  return table(
    head,
    rows.map(([name, ...values]) => [name, ...values.map((value, i) => cell(value, units[i]))]),
  )
}

function timesText(times: number): string {
  return times < 10 ? times.toPrecision(2) : times.toFixed(0)
}

/** The middle of some values, or what is between the middle two. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = (values.length - 1) / 2
  const [low = Number.NaN, high = low] = [sorted[Math.floor(half)], sorted[Math.ceil(half)]]
  return (low + high) / 2
}

/** `1 round`, `3 rounds`. */
export function roundsText(rounds: number): string {
  return rounds === 1 ? '1 round' : `${rounds} rounds`
}

/** Milliseconds: the median, and where nine of ten were below if there are ten. */
export function milliseconds(samples: readonly number[] | string | undefined): string {
  if (samples === undefined) return 'n/a'
  if (typeof samples === 'string') return samples
  const median = msText(medianOf(samples))
  if (samples.length < 10) return median
  const sorted = [...samples].sort((a, b) => a - b)
  return `${median} (${msText(sorted[Math.floor(sorted.length * 0.9)] ?? Number.NaN)})`
}

function msText(ms: number): string {
  return ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0)
}

/** Puts a text between `<!-- section -->` and `<!-- end of section -->` of bench/README.md. */
export async function replaceTables(section: string, text: string): Promise<void> {
  const readme = join(import.meta.dirname, '../README.md')
  const [begin, end] = [`<!-- ${section} -->`, `<!-- end of ${section} -->`]
  const [head, rest] = (await readFile(readme, 'utf8')).split(begin)
  const tail = rest?.split(end)[1]
  if (tail === undefined) throw new Error(`Cannot write the tables: ${readme} has no ${begin}`)
  await writeFile(readme, `${head}${begin}\n\n${text}\n\n${end}${tail}`)
}
