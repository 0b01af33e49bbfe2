import type { ChainID, Layer, LayerRecord, LayerStore, RemovedLayer } from '@varve/core'
import { LayerError } from '@varve/core'
import { chainsOf, readConfigs } from './disk/config-files.ts'
import type { ImageFiles } from './disk/image-files.ts'

/** What every operation on images works with. */
export interface ImageContext {
  readonly files: ImageFiles
  readonly store: LayerStore
}

/** A reference to a layer; undefined if there is no healthy one. */
export async function layerIfThere(store: LayerStore, id: ChainID): Promise<Layer | undefined> {
  try {
    return await store.get(id)
  } catch (error) {
    const absent =
      LayerError.is(error, 'ERR_LAYER_NOT_FOUND') || LayerError.is(error, 'ERR_CORRUPT_METADATA')
    if (absent) return undefined
    throw error
  }
}

/** What is remembered of these layers, those that are there. */
export async function recordsOf(
  store: LayerStore,
  chains: readonly ChainID[],
): Promise<Map<ChainID, LayerRecord>> {
  const records = new Map<ChainID, LayerRecord>()
  for (const id of chains) {
    await using layer = await layerIfThere(store, id)
    if (!layer) continue
    const { chainID, diffID, cacheID, diffSize, parent, descriptor } = layer
    records.set(id, {
      chainID,
      diffID,
      cacheID,
      diffSize,
      ...(parent === undefined ? {} : { parent }),
      ...(descriptor === undefined ? {} : { descriptor }),
    })
  }
  return records
}

/** What is remembered of all layers. */
export async function allRecords(store: LayerStore): Promise<Map<ChainID, LayerRecord>> {
  const records = new Map<ChainID, LayerRecord>()
  for await (const record of store.layers()) records.set(record.chainID, record)
  return records
}

/** Every layer that an image needs. */
export async function neededChains(ctx: ImageContext): Promise<Set<ChainID>> {
  const configs = await readConfigs(ctx.files.paths)
  return new Set(configs.flatMap(({ config }) => chainsOf(config)))
}

/**
 * Removes the layers of a stack from the top down to the first that is `needed`, as far as nobody
 * else refers to them. Call it under the image lock, so that no image begins to need one meanwhile.
 *
 * @param chains base first
 */
export async function releaseChains(
  { store }: ImageContext,
  chains: readonly ChainID[],
  needed: ReadonlySet<ChainID>,
): Promise<RemovedLayer[]> {
  const keep = chains.findLast((id) => needed.has(id))
  // A release goes on to the parents; this reference stops it where images still need them.
  await using _guard = keep === undefined ? undefined : await layerIfThere(store, keep)
  const removed: RemovedLayer[] = []
  for (const id of chains.toReversed()) {
    if (id === keep) break
    const layer = await layerIfThere(store, id)
    if (layer) removed.push(...(await store.release(layer)))
  }
  return removed
}
