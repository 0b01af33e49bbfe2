import { LayerError } from '../errors.ts'
import type { CacheID, ChainID } from '../ids.ts'
import type { LoadedLayer, StoreContext } from './context.ts'
import { layerTar } from './tar-stream.ts'

/** Puts every layer that was published as `deferred` or `none` on stable storage. */
export async function syncAll(ctx: StoreContext): Promise<void> {
  ctx.assertOpen('Cannot put layers on stable storage')
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

async function makeSafe(ctx: StoreContext, ids: readonly ChainID[]): Promise<void> {
  if (ids.length === 0) return
  const cacheIDs = await ctx.metadata.lock('shared', async () => {
    await ctx.index.refresh()
    const found: CacheID[] = []
    for (const id of ids) {
      const layer = await ctx.index.find(id)
      if (layer) found.push(layer.record.cacheID)
    }
    return found
  })
  if (cacheIDs.length > 0) await ctx.driver.sync(cacheIDs)
  await ctx.metadata.markSynced(ids)
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
    const broken = await whyBroken(ctx, id)
    if (broken === undefined) {
      await makeSafe(ctx, [id])
      continue
    }
    await ctx.metadata.lock('exclusive', () =>
      ctx.index.change(
        () => ctx.metadata.setAside({ kind: 'layer', subject: id }),
        () => {},
      ),
    )
    // Whoever stands on it is no longer what was remembered.
    ctx.index.forget()
    done.push(`set aside layer ${id}, which did not survive the restart: ${broken}`)
  }
  return done
}

/** Those that cannot be loaded come last: what they stand on is missing anyway. */
async function baseFirst(ctx: StoreContext, ids: readonly ChainID[]): Promise<ChainID[]> {
  const found: { readonly id: ChainID; readonly depth: number }[] = []
  for (const id of ids) {
    found.push({ id, depth: (await loadIfWhole(ctx, id))?.depth ?? Number.MAX_SAFE_INTEGER })
  }
  return found.sort((a, b) => a.depth - b.depth).map(({ id }) => id)
}

async function loadIfWhole(ctx: StoreContext, id: ChainID): Promise<LoadedLayer | undefined> {
  try {
    return await load(ctx, id)
  } catch (error) {
    const isBroken =
      LayerError.is(error, 'ERR_CORRUPT_METADATA') || LayerError.is(error, 'ERR_LAYER_NOT_FOUND')
    if (isBroken) return undefined
    throw error
  }
}

async function load(ctx: StoreContext, id: ChainID): Promise<LoadedLayer> {
  return await ctx.metadata.lock('shared', async () => {
    await ctx.index.refresh()
    return await ctx.index.load(id)
  })
}

async function whyBroken(ctx: StoreContext, id: ChainID): Promise<string | undefined> {
  const { driver } = ctx
  try {
    const { record } = await load(ctx, id)
    if (!(await driver.exists(record.cacheID))) return 'its files are missing'
    for await (const _ of layerTar(ctx, record));
    // A tar is made of contents; modes, links and attributes are lost as easily.
    const faults = driver.verify?.(record.cacheID, layerTar(ctx, record)) ?? []
    for await (const fault of faults) return fault
    return undefined
  } catch (error) {
    if (LayerError.is(error) && error.code !== 'ERR_IO' && error.code !== 'ERR_PERMISSION') {
      return error.message
    }
    throw error
  }
}
