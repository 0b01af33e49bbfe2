import { refuseTerminal, writeTo } from '../../files.ts'
import type { Verb } from '../../verb.ts'
import { type GraphOptions, onGraph, openOldRoot } from './old-root.ts'

interface Options extends GraphOptions {
  readonly output?: string
}

/** `varve graph save DIR IMAGE…`: an archive as Docker before 1.10 wrote it. */
export const save: Verb = (group, app) => {
  onGraph(group.command('save'))
    .description('write images as docker save did before 1.10; varve load takes it')
    .argument('<image...>', 'tag, or id or the beginning of one')
    .option('-o, --output <file>', 'where to (default: stdout)')
    .action(
      app.run(async (context, dir: string, refs: readonly string[], options: Options) => {
        refuseTerminal(context, options.output)
        await using graph = await openOldRoot(context, dir, options)
        const { saveV1Archive } = await import('@varve/graph')
        await context.long('Buffering to disk', 'layer', (call) =>
          writeTo(context, options.output, saveV1Archive(graph, refs, call)),
        )
        return undefined
      }),
    )
}
