import { join } from 'node:path'
import type { FailedMigration, MigratedImage } from '@varve/graph'
import { EXIT } from '../../failure.ts'
import { shortID } from '../../terminal/words.ts'
import type { Verb } from '../../verb.ts'
import { type GraphOptions, onGraph, openOldRoot } from './old-root.ts'

interface Options extends GraphOptions {
  readonly intermediates: boolean
  readonly quiet?: boolean
}

/** What a run has found out, in the store; gone when all is done. */
const MEMO = 'varve/graph-diffids'

/** `varve graph migrate DIR [IMAGE…]`: the images of a graph into the store. */
export const migrate: Verb = (group, app) => {
  onGraph(group.command('migrate'))
    .description('bring images into the store, with the ids that Docker 1.10 gave them')
    .argument('[image...]', 'only these and what is beneath them: tag, or id or its beginning')
    .option('--no-intermediates', 'not those without a name that others stand on')
    .option('-q, --quiet', 'print only image ids')
    .addHelpText(
      'after',
      '\nThe data root is only read. Killed or interrupted, run it again: it goes on from there.' +
        '\nWhat cannot be read is reported, and the exit code is 1; the rest is brought over.',
    )
    .action(
      app.run(async (context, dir: string, refs: readonly string[], options: Options) => {
        await using graph = await openOldRoot(context, dir, options)
        const { store, images, root } = await context.open({ create: true })
        const graphs = await import('@varve/graph')
        const report = await context.long('migrate', 'layer', (call) =>
          graphs.migrate(graph, {
            ...call,
            store,
            images,
            intermediates: options.intermediates,
            memo: join(root, MEMO),
            ...(refs.length > 0 ? { refs } : {}),
          }),
        )
        for (const image of report.images) {
          if (context.options.json) await context.out.json(image)
          else await context.out.line(options.quiet ? image.imageID : sentence(image))
        }
        for (const one of report.failed) {
          if (context.options.json) await context.out.json({ failed: true, ...one })
          else context.note(`varve: cannot migrate ${failure(one)}`)
        }
        return report.failed.length === 0 ? undefined : EXIT.failure
      }),
    )
}

function sentence({ id, imageID, tags, existed }: MigratedImage): string {
  const names = tags.length > 0 ? ` ${tags.join(', ')}` : ''
  return `${existed ? 'already here' : 'migrated'}: ${shortID(id)} as ${shortID(imageID)}${names}`
}

function failure({ id, tag, message }: FailedMigration): string {
  return `${tag ?? shortID(id)}: ${message}`
}
