import { resolveLayer } from '../../store/layers.ts'
import type { Verb } from '../../verb.ts'

/** `varve layer inspect CHAINID…`: all about layers, as JSON. */
export const inspect: Verb = (parent, app) => {
  parent
    .command('inspect')
    .description('print all about layers, as JSON')
    .argument('<chainid...>', 'or the beginning of one')
    .action(
      app.run(async (context, ids: readonly string[]) => {
        const { store } = await context.open()
        const found: Record<string, unknown>[] = []
        for (const id of ids) {
          await using layer = await store.get(await resolveLayer(store, id))
          const {
            chainID,
            diffID,
            parent: under,
            cacheID,
            diffSize,
            size,
            depth,
            descriptor,
          } = layer
          const chain = (await layer.chain()).map((record) => record.chainID)
          found.push({
            chainID,
            diffID,
            parent: under,
            cacheID,
            diffSize,
            size,
            depth,
            descriptor,
            chain,
          })
        }
        if (context.options.json) for (const one of found) await context.out.json(one)
        else await context.out.line(JSON.stringify(found, undefined, 2))
        return undefined
      }),
    )
}
