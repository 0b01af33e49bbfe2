import { refuseTerminal, writeTo } from '../../files.ts'
import { resolveLayer } from '../../store/layers.ts'
import type { Verb } from '../../verb.ts'

/** `varve layer tar CHAINID`: a layer's tar, as it was registered. */
export const tar: Verb = (parent, app) => {
  parent
    .command('tar')
    .description('write the very bytes that were registered, checked against the DiffID')
    .argument('<chainid>', 'or the beginning of one')
    .option('-o, --output <file>', 'where to (default: stdout)')
    .action(
      app.run(async (context, id: string, { output }: { readonly output?: string }) => {
        refuseTerminal(context, output)
        const { store } = await context.open()
        await using layer = await store.get(await resolveLayer(store, id))
        await context.long('export', 'layer', (call) => writeTo(context, output, layer.tar(call)))
        return undefined
      }),
    )
}
