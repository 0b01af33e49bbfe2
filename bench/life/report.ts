/** The tables of what the life of a writable layer costs. */
import { type Contestant, QUESTIONS, STEPS } from './contestant.ts'

/** Milliseconds, or why there are none. */
export type Samples = ReadonlyMap<string, readonly number[] | string>

/** Steps of a layer's life on one image. */
export function lifeTable(title: string, all: readonly Contestant[], samples: Samples): string {
  const rows = all.map((one) => {
    const of = (step: string) => samples.get(`${title} ${one.name} ${step}`)
    return [one.name, ...[...STEPS, 'all'].map((step) => cell(of(step)))]
  })
  return [`### ${title}`, '', ...table(['ms', ...STEPS, 'all'], rows)].join('\n')
}

/** What it costs to ask for a number of changes. */
export function diffTable(
  title: string,
  counts: readonly number[],
  all: readonly Contestant[],
  samples: Samples,
): string {
  const columns = QUESTIONS.flatMap((question) => counts.map((count) => ({ question, count })))
  const head = columns.map(({ question, count }) => `${question} ${count.toLocaleString('en')}`)
  const rows = all.map((one) => [
    one.name,
    ...columns.map(({ question, count }) => cell(samples.get(`${one.name} ${question} ${count}`))),
  ])
  return [`### ${title}`, '', ...table(['ms', ...head], rows)].join('\n')
}

/** The median, and where nine of ten were below. */
function cell(samples: readonly number[] | string | undefined): string {
  if (samples === undefined) return 'n/a'
  if (typeof samples === 'string') return samples
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (part: number) => text(sorted[Math.floor(sorted.length * part)] ?? Number.NaN)
  return sorted.length < 10 ? at(0.5) : `${at(0.5)} (${at(0.9)})`
}

function text(ms: number): string {
  return ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)]
}
