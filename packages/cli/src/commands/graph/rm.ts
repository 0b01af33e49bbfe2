import { shortID } from '../../terminal/words.ts'
import type { Verb } from '../../verb.ts'
import { type GraphOptions, onGraph, openOldRoot } from './old-root.ts'

interface Options extends GraphOptions {
  readonly force?: boolean
  readonly prune: boolean
  readonly quiet?: boolean
}

/** `varve graph rm DIR IMAGE…`: names, and with the last name the image, as `docker rmi` did. */
export const rm: Verb = (group, app) => {
  onGraph(group.command('rm').alias('rmi'))
    .description('remove names, and images with their last; Docker must not be running')
    .argument('<image...>', 'tag, or id or the beginning of one')
    .option('-f, --force', 'remove an image by its id although it has several names')
    .option('--no-prune', 'keep the images beneath that nothing needs any more')
    .option('-q, --quiet', 'print nothing')
    .action(
      app.run(async (context, dir: string, refs: readonly string[], options: Options) => {
        await using graph = await openOldRoot(context, dir, { ...options, write: true })
        const { removeImage } = await import('@varve/graph')
        for (const ref of refs) {
          const removed = await removeImage(graph, ref, {
            force: options.force === true,
            keepParents: !options.prune,
          })
          if (context.options.json) await context.out.json({ ref, ...removed })
          if (context.options.json || options.quiet) continue
          for (const name of removed.untagged) await context.out.line(`untagged: ${name}`)
          for (const id of removed.deleted) await context.out.line(`removed: ${shortID(id)}`)
        }
        return undefined
      }),
    )
}
