import type { GraphVersion } from '@varve/graph'
import { Option } from 'commander'
import { countText, shortID } from '../../terminal/words.ts'
import type { Verb } from '../../verb.ts'
import { type GraphOptions, onGraph, openOldRoot } from './old-root.ts'

interface Options extends GraphOptions {
  readonly as: GraphVersion
  readonly quiet?: boolean
}

/** `varve graph export DIR IMAGE…`: images of the store for Docker up to 1.9. */
export const exportVerb: Verb = (group, app) => {
  onGraph(group.command('export'))
    .description('put images of the store into a data root for Docker up to 1.9')
    .argument('<image...>', 'tag, or id or the beginning of one')
    .addOption(
      new Option('--as <version>', 'whose form').choices(['1.7', '1.9']).default('1.9' as const),
    )
    .option('-q, --quiet', 'print only ids')
    .addHelpText(
      'after',
      '\nA data root that is not there is made. Docker must not be running on it.' +
        '\nvarve graph save writes it as an archive then, which that Docker can load.',
    )
    .action(
      app.run(async (context, dir: string, refs: readonly string[], options: Options) => {
        const { store, images } = await context.open()
        // Looked up before anything is made.
        for (const ref of refs) await images.get(ref)
        const how = { ...options, write: true, create: true, version: options.as }
        await using graph = await openOldRoot(context, dir, how)
        const { exportImage } = await import('@varve/graph')
        for (const ref of refs) {
          const exported = await context.long('export', 'layer', (call) =>
            exportImage(graph, ref, { ...call, store, images }),
          )
          const { id, layers, tags } = exported
          if (context.options.json) await context.out.json(exported)
          else if (options.quiet) await context.out.line(id)
          else {
            const name = tags.join(', ') || ref
            const count = countText(layers.length, 'layer')
            await context.out.line(`exported: ${name} as ${shortID(id)}, ${count}`)
          }
        }
        return undefined
      }),
    )
}
