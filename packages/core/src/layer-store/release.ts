import { wrapError } from '../errors.ts'
import type { ChainID } from '../ids.ts'
import type { Pending, Removal } from '../metadata.ts'
import type { GcOptions, Layer, RemovedLayer } from '../store.ts'
import type { LoadedLayer, StoreContext } from './context.ts'
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
  ctx.assertOpen(attempt)
  const id = layer.chainID
  const token = tokenOf(layer)
  const retired = await ctx.metadata.lock('exclusive', async () => {
    await ctx.index.refresh()
    if (!ctx.layerRefs.has(id, token)) throw notRetained(id)
    await ctx.layerRefs.drop(id, token)
    try {
      return await retireFrom(ctx, id)
    } catch (error) {
      await ctx.layerRefs.retake(id, token)
      throw wrapError(error, attempt)
    }
  })
  return await removeRetired(ctx, retired)
}

/** See `LayerStore.gc`. */
export async function gc(ctx: StoreContext, options: GcOptions): Promise<readonly RemovedLayer[]> {
  ctx.assertOpen('Cannot collect unused layers')
  const keep = new Set(options.keep)
  const retired = await ctx.metadata.lock('exclusive', async () => {
    const users = new Map(await ctx.index.users())
    const retained = await ctx.retained()
    const doomed: LoadedLayer[] = []
    for (const start of [...users.keys()]) {
      await collectUnused(ctx, start, users, new Set([...keep, ...retained]), doomed)
    }
    if (options.dryRun) return { removal: undefined, removed: doomed.map(describe) }
    return await retire(ctx, doomed)
  })
  return await removeRetired(ctx, retired)
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
  const users = new Map(await ctx.index.users())
  const doomed: LoadedLayer[] = []
  await collectUnused(ctx, id, users, await ctx.retained(), doomed)
  return await retire(ctx, doomed)
}

/** Follows a chain downwards for as long as nothing but the layers already doomed needs it. */
async function collectUnused(
  ctx: StoreContext,
  start: ChainID,
  users: Map<ChainID, number>,
  keep: ReadonlySet<ChainID>,
  doomed: LoadedLayer[],
): Promise<void> {
  for (let id: ChainID | undefined = start; id !== undefined; ) {
    if (users.get(id) !== 0 || keep.has(id) || ctx.layerRefs.count(id) > 0) return
    if (await ctx.metadata.heldElsewhere(id)) return
    const loaded = await ctx.index.load(id)
    doomed.push(loaded)
    users.delete(id)
    const { parent } = loaded.record
    if (parent !== undefined) users.set(parent, (users.get(parent) ?? 1) - 1)
    id = parent
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
