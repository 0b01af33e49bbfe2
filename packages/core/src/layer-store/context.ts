import type { TarSplitCodec } from '../codec.ts'
import type { Driver } from '../driver.ts'
import { LayerError } from '../errors.ts'
import type { CacheID, ChainID } from '../ids.ts'
import type { LayerRecord, MetadataStore } from '../metadata.ts'
import type { Calls } from './calls.ts'
import type { KeyedMutex } from './keyed-mutex.ts'
import type { LayerIndex } from './layer-index.ts'
import type { References } from './references.ts'
import type { Uses } from './uses.ts'

/** What the parts of one opened store share. */
export interface StoreContext {
  readonly driver: Driver
  readonly metadata: MetadataStore
  /** Undefined for a driver that reproduces exact diffs. */
  readonly codec: TarSplitCodec | undefined
  readonly index: LayerIndex
  readonly layerRefs: References
  readonly mountRefs: References
  /** Read-write layers that are mounted, read or changed just now. */
  readonly mountUses: Uses
  /** Keeps calls for one read-write layer's name apart. */
  readonly names: KeyedMutex
  /** ChainIDs that others than the store's own users need, as images do. */
  readonly retained: () => Promise<ReadonlySet<ChainID>>
  readonly calls: Calls
}

/** The driver id of the layer beneath, if any. */
export async function parentCacheID(
  ctx: StoreContext,
  parent: ChainID | undefined,
): Promise<CacheID | undefined> {
  if (parent === undefined) return undefined
  return await ctx.metadata.lock('shared', async () => {
    await ctx.index.refresh()
    return (await ctx.index.load(parent)).record.cacheID
  })
}

/**
 * Asserts that a chain is still the one that a layer was made on: a repair may have set it aside,
 * and somebody registered it anew in another driver layer. Call it under the lock.
 */
export async function assertUnchanged(
  ctx: StoreContext,
  parent: LayerRecord,
  attempt: string,
): Promise<void> {
  await ctx.index.refresh()
  const { record } = await ctx.index.load(parent.chainID, attempt)
  if (record.cacheID === parent.cacheID) return
  throw new LayerError(
    'ERR_LAYER_NOT_FOUND',
    `${attempt}: layer ${parent.chainID} beneath it was replaced meanwhile`,
    { data: { chainID: parent.chainID }, hint: 'Try it again, on the new one' },
  )
}
