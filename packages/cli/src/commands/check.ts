import type { LayerRecord, Problem } from '@varve/core'
import type { ImageProblem } from '@varve/image'
import { EXIT, usageError } from '../failure.ts'
import { requireFiles } from '../files.ts'
import { countText, printable, shortID } from '../terminal/words.ts'
import { several, type Verb } from '../verb.ts'

interface Options {
  readonly full?: boolean
  readonly repair?: boolean
  readonly from?: readonly string[]
  readonly quiet?: boolean
}

/** `varve check`: is everything there, and what it was? */
export const check: Verb = (parent, app) => {
  parent
    .command('check')
    .description('look for damage, and repair it')
    .addHelpText('after', '\nExit code 1 if there are problems that were not repaired.')
    .option('--full', 'also read every byte and compare digests and files')
    .option(
      '--repair',
      'make damaged layers anew from kept blobs, else set them aside; remove what nothing refers to',
    )
    .option('--from <file>', 'with --repair: an archive or OCI layout that has the layers', several)
    .option('-q, --quiet', 'print only problems')
    .action(
      app.run(async (context, options: Options) => {
        const full = options.full === true
        const repair = options.repair === true
        const from = options.from ?? []
        if (from.length > 0 && !repair) throw usageError('--from is of use only with --repair')
        await requireFiles(from)
        const opened = await context.open()
        const found: (Problem | ImageProblem)[] = []
        await context.long('export', 'layer', async (call) => {
          const { store, images } = opened
          await using kept = repair ? await images.layerSources(from, call) : undefined
          const sources = kept && (({ diffID }: LayerRecord) => kept.tars(diffID))
          const how = { ...call, full, repair }
          const layers = store.check({ ...how, ...(sources ? { sources } : {}) })
          for await (const problem of layers) found.push(problem)
          for await (const problem of images.check(how)) found.push(problem)
        })
        for (const problem of found) {
          if (context.options.json) await context.out.json(problem)
          else await context.out.line(sentence(problem))
        }
        const left = found.filter((problem) => !problem.repaired).length
        if (!context.options.json && !options.quiet)
          await context.out.line(verdict(found.length, left, full))
        if (left > 0 && !repair)
          context.note('hint: varve check --repair makes it anew where it can, or sets it aside')
        return left > 0 ? EXIT.failure : EXIT.ok
      }),
    )
}

function sentence(problem: Problem | ImageProblem): string {
  const { kind, message, repaired } = problem
  const subject = problem.subject.startsWith('sha256:') ? shortID(problem.subject) : problem.subject
  return printable(`${kind} ${subject}: ${message}${repaired ? ' (repaired)' : ''}`)
}

function verdict(found: number, left: number, full: boolean): string {
  if (found === 0) return full ? 'no problems: every byte was read' : 'no problems'
  const repaired = found - left
  return `${countText(found, 'problem')}${repaired > 0 ? `, ${repaired} repaired` : ''}`
}
