import { type ChainID, LayerError, type LayerStore, type RemovedLayer } from '@varve/core'
import { resolveLayer } from '../../store/layers.ts'
import { shortID, sizeText } from '../../terminal/words.ts'
import type { Verb } from '../../verb.ts'

/** `varve layer rm CHAINID…`: layers that nothing needs. */
export const rm: Verb = (parent, app) => {
  parent
    .command('rm')
    .description('remove layers, and the parents that nothing else needs')
    .argument('<chainid...>', 'or the beginning of one')
    .option('-q, --quiet', 'print nothing')
    .action(
      app.run(async (context, ids: readonly string[], options: { readonly quiet?: boolean }) => {
        const { store } = await context.open()
        for (const id of ids) {
          const removed = await remove(store, await resolveLayer(store, id))
          for (const layer of removed) {
            if (context.options.json) await context.out.json(layer)
            else if (!options.quiet) {
              await context.out.line(
                `removed: ${shortID(layer.chainID)}, ${sizeText(layer.diffSize)}`,
              )
            }
          }
        }
        return undefined
      }),
    )
}

async function remove(store: LayerStore, id: ChainID): Promise<readonly RemovedLayer[]> {
  const removed = await store.release(await store.get(id))
  if (removed.length > 0) return removed
  throw new LayerError(
    'ERR_LAYER_IN_USE',
    `Cannot remove layer ${shortID(id)}: an image, another layer or a process needs it`,
    { data: { chainID: id }, hint: 'varve tree shows what stands on it' },
  )
}
