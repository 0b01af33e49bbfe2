import { cleanUp, LayerError } from '../errors.ts'
import type { ChainID } from '../ids.ts'
import type { StoreContext } from './context.ts'
import { faultsOf } from './faults.ts'
import { type AcquiredLayer, acquireLayer } from './read-only-layer.ts'
import { setLayerAside, setUnloadableAside } from './set-aside.ts'

const ATTEMPT = 'Cannot put layers on stable storage'

/** Puts every layer that was published as `deferred` or `none` on stable storage. */
export async function syncAll(ctx: StoreContext): Promise<void> {
  await makeSafe(ctx, await ctx.metadata.unsynced())
}

/**
 * Puts on stable storage what a layer stands on and itself: what is acknowledged as safe is lost
 * with any layer beneath it. The layer is held.
 */
export async function makeChainSafe(ctx: StoreContext, top: ChainID | undefined): Promise<void> {
  if (top === undefined) return
  const unsafe = new Set(await ctx.metadata.unsynced())
  if (unsafe.size === 0) return
  const chain = await ctx.metadata.lock('shared', async () => {
    await ctx.index.refresh()
    const ids: ChainID[] = []
    for (let id: ChainID | undefined = top; id !== undefined; ) {
      ids.push(id)
      id = (await ctx.index.load(id)).record.parent
    }
    return ids
  })
  await makeSafe(
    ctx,
    chain.filter((id) => unsafe.has(id)),
  )
}

/**
 * Holds each layer until it is marked safe: were it removed and registered anew meanwhile, the mark
 * that is taken away would be the new one's.
 */
async function makeSafe(ctx: StoreContext, ids: readonly ChainID[]): Promise<void> {
  const held: AcquiredLayer[] = []
  const sync = async (): Promise<void> => {
    for (const id of ids) {
      const layer = await acquireIfWhole(ctx, id)
      if (layer) held.push(layer)
    }
    if (held.length === 0) return
    await ctx.driver.sync(held.map(({ record }) => record.cacheID))
    await ctx.metadata.markSynced(held.map(({ record }) => record.chainID))
  }
  let failure: unknown
  try {
    await sync()
  } catch (error) {
    failure = error
  }
  failure = await cleanUp(failure, ...held.map(({ drop }) => drop))
  if (failure !== undefined) throw failure
}

/** Undefined for a layer that was removed since, or is damaged: then there is nothing to save. */
async function acquireIfWhole(ctx: StoreContext, id: ChainID): Promise<AcquiredLayer | undefined> {
  try {
    return await acquireLayer(ctx, id, ATTEMPT)
  } catch (error) {
    const isBroken =
      LayerError.is(error, 'ERR_CORRUPT_METADATA') || LayerError.is(error, 'ERR_LAYER_NOT_FOUND')
    if (isBroken) return undefined
    throw error
  }
}

/**
 * Reads every layer that was published without being put on stable storage before the machine
 * restarted: a whole one is made safe, a broken one set aside, and with it what stands on it.
 *
 * @returns what was done, for people
 */
export async function verifyUnsafe(ctx: StoreContext): Promise<readonly string[]> {
  const done: string[] = []
  for (const id of await baseFirst(ctx, await ctx.metadata.unverified())) {
    const why = await repairUnsafe(ctx, id)
    if (why) done.push(`set aside layer ${id}, which did not survive the restart: ${why}`)
  }
  return done
}

/** Those that cannot be loaded come last: what they stand on is missing anyway. */
async function baseFirst(ctx: StoreContext, ids: readonly ChainID[]): Promise<ChainID[]> {
  const found: { readonly id: ChainID; readonly depth: number }[] = []
  for (const id of ids) {
    const layer = await acquireIfWhole(ctx, id)
    found.push({ id, depth: layer?.depth ?? Number.MAX_SAFE_INTEGER })
    await layer?.drop()
  }
  return found.sort((a, b) => a.depth - b.depth).map(({ id }) => id)
}

/** Why a layer was set aside; undefined if it is whole, or was removed by somebody meanwhile. */
async function repairUnsafe(ctx: StoreContext, id: ChainID): Promise<string | undefined> {
  const layer = await acquireIfWhole(ctx, id)
  if (layer === undefined) return await setUnloadableAside(ctx, id)
  try {
    for await (const { message } of faultsOf(ctx, layer.record, 'files')) {
      await setLayerAside(ctx, layer.record)
      return message
    }
    await makeSafe(ctx, [id])
    return undefined
  } finally {
    await layer.drop()
  }
}
