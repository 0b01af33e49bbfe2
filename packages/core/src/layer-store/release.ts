import { cleanUp, LayerError, wrapError } from '../errors.ts'
import type { ChainID } from '../ids.ts'
import type { Pending, Removal } from '../metadata.ts'
import type { GcOptions, Layer, RemovedLayer } from '../store.ts'
import { callOptions, checkAborted } from '../streams.ts'
import type { StoreContext } from './context.ts'
import type { LoadedLayer } from './loaded-layer.ts'
import { tokenOf } from './read-only-layer.ts'
import { notRetained } from './references.ts'

/** Layers de-listed together, and what a caller is told of them. */
export interface Retired {
  readonly removal: Removal
  readonly removed: readonly RemovedLayer[]
}

/** See `LayerStore.release`. */
export async function release(ctx: StoreContext, layer: Layer): Promise<readonly RemovedLayer[]> {
  const attempt = `Cannot release layer ${layer.chainID}`
  const id = layer.chainID
  const token = tokenOf(layer)
  const retired = await ctx.metadata.lock('exclusive', async () => {
    await ctx.index.refresh()
    if (!ctx.layerRefs.has(id, token)) throw notRetained(attempt, id)
    await ctx.layerRefs.drop(id, token)
    try {
      return await retireFrom(ctx, id)
    } catch (error) {
      const failure = wrapError(error, attempt)
      throw await cleanUp(failure, () => ctx.layerRefs.take(id, token))
    }
  })
  return await removeRetired(ctx, retired)
}

/** See `LayerStore.gc`. */
export async function gc(ctx: StoreContext, options: GcOptions): Promise<readonly RemovedLayer[]> {
  const attempt = 'Cannot collect unused layers'
  const keep = new Set(options.keep)
  const collect = async () => {
    const all = [...(await ctx.index.users()).keys()]
    const doomed = await findUnused(ctx, all, async (id) => {
      checkAborted(options.signal, attempt)
      return keep.has(id)
    })
    if (options.dryRun) return { removal: undefined, removed: doomed.map(describe) }
    return await retire(ctx, doomed)
  }
  return await removeRetired(
    ctx,
    await ctx.metadata.lock('exclusive', collect, callOptions(options)),
  )
}

/**
 * De-lists a layer, if nothing refers to it, and then its parents likewise. Call it under the
 * exclusive lock, and {@link removeRetired} after it.
 */
export async function retireFrom(
  ctx: StoreContext,
  id: ChainID | undefined,
): Promise<Retired | undefined> {
  if (id === undefined || ctx.layerRefs.count(id) > 0) return undefined
  return await retire(ctx, await findUnused(ctx, [id], async () => false))
}

/**
 * Layers, of these chains, that nothing needs, each before its parent.
 *
 * What is retained is asked for only when it is known what nobody holds: whoever lets go of a layer
 * because an image has it now has published that image first.
 */
async function findUnused(
  ctx: StoreContext,
  starts: readonly ChainID[],
  keeps: (id: ChainID) => Promise<boolean>,
): Promise<readonly LoadedLayer[]> {
  const unheld = await follow(
    ctx,
    starts,
    async (id) =>
      (await keeps(id)) || ctx.layerRefs.count(id) > 0 || (await ctx.metadata.heldElsewhere(id)),
  )
  if (unheld.length === 0) return []
  const free = new Set(unheld.map(({ record }) => record.chainID))
  const retained = await ctx.retained()
  return await follow(ctx, starts, async (id) => !free.has(id) || retained.has(id))
}

/** Follows chains downwards for as long as nothing but the layers already found needs the next. */
async function follow(
  ctx: StoreContext,
  starts: readonly ChainID[],
  isNeeded: (id: ChainID) => Promise<boolean>,
): Promise<readonly LoadedLayer[]> {
  const users = new Map(await ctx.index.users())
  const found: LoadedLayer[] = []
  for (const start of starts) {
    for (let id: ChainID | undefined = start; id !== undefined; ) {
      if (users.get(id) !== 0 || (await isNeeded(id))) break
      const loaded: LoadedLayer | undefined = await findWhole(ctx, id)
      if (loaded === undefined) break
      found.push(loaded)
      users.delete(id)
      const { parent } = loaded.record
      if (parent !== undefined) users.set(parent, (users.get(parent) ?? 1) - 1)
      id = parent
    }
  }
  return found
}

/** Undefined for a layer that stands on a damaged one: that is for `check` to report and repair. */
async function findWhole(ctx: StoreContext, id: ChainID): Promise<LoadedLayer | undefined> {
  try {
    return await ctx.index.find(id)
  } catch (error) {
    if (LayerError.is(error, 'ERR_CORRUPT_METADATA')) return undefined
    throw error
  }
}

async function retire(
  ctx: StoreContext,
  doomed: readonly LoadedLayer[],
): Promise<Retired | undefined> {
  if (doomed.length === 0) return undefined
  const removal = await ctx.index.change(
    () => ctx.metadata.retire(doomed.map((layer) => layer.record.chainID)),
    () => {
      for (const layer of doomed) ctx.index.noteRemoved(layer.record)
    },
  )
  return { removal, removed: doomed.map(describe) }
}

/** Removes the driver's side of de-listed layers; what fails is left to the next clean-up. */
export async function removeRetired(
  ctx: StoreContext,
  retired: { readonly removal: Removal | undefined; removed: Retired['removed'] } | undefined,
): Promise<readonly RemovedLayer[]> {
  if (retired === undefined) return []
  if (retired.removal) await finishPending(ctx, retired.removal)
  return retired.removed
}

/** Does what is left to do of something begun: the driver forgets, then the metadata. */
export async function finishPending(ctx: StoreContext, pending: Pending): Promise<void> {
  try {
    for (const cacheID of pending.cacheIDs) await ctx.driver.remove(cacheID)
    await pending.finish()
  } catch (error) {
    throw wrapError(error, `Cannot remove what is left of ${pending.subject}`, {
      cacheIDs: pending.cacheIDs,
    })
  }
}

function describe({ record, size }: LoadedLayer): RemovedLayer {
  return { chainID: record.chainID, diffID: record.diffID, size, diffSize: record.diffSize }
}
