import type { LayerStore, RemovedLayer } from '@varve/core'
import { getRW } from '../../store/rw-layers.ts'

/**
 * Removes a read-write layer, and layers beneath it that nothing else needs.
 *
 * @param force also if it is kept mounted
 */
export async function removeRW(
  store: LayerStore,
  name: string,
  force: boolean,
): Promise<readonly RemovedLayer[]> {
  await using layer = await getRW(store, name)
  if (force) {
    for (const { readOnly } of await layer.kept()) await layer.unmount({ readOnly, all: true })
  }
  return await store.releaseRW(layer)
}
