/** The tables of what the life of a writable layer costs. */
import type { Samples } from '../harness/samples.ts'
import { milliseconds, table } from '../harness/tables.ts'
import { type Contestant, QUESTIONS, STEPS } from './contestant.ts'

/** Steps of a layer's life on one image. */
export function lifeTable(title: string, all: readonly Contestant[], samples: Samples): string {
  const rows = all.map((one) => {
    const of = (step: string) => samples.get(`${title} ${one.name} ${step}`)
    return [one.name, ...[...STEPS, 'all'].map((step) => milliseconds(of(step)))]
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
    ...columns.map(({ question, count }) =>
      milliseconds(samples.get(`${one.name} ${question} ${count}`)),
    ),
  ])
  return [`### ${title}`, '', ...table(['ms', ...head], rows)].join('\n')
}
