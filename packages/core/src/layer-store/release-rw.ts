import { cleanUp, LayerError, wrapError } from '../errors.ts'
import type { Removal } from '../metadata.ts'
import type { RemovedLayer, RWLayer } from '../store.ts'
import type { StoreContext } from './context.ts'
import { notRetained } from './references.ts'
import { removeRetired, retireFrom } from './release.ts'
import { inUse, mountKey, tokenOfRW } from './rw-record.ts'

/** See `LayerStore.releaseRW`. */
export async function releaseRW(
  ctx: StoreContext,
  layer: RWLayer,
): Promise<readonly RemovedLayer[]> {
  const { name } = layer
  const attempt = `Cannot release read-write layer ${name}`
  const token = tokenOfRW(layer)
  const key = mountKey(layer)
  return await ctx.names.run(name, async () => {
    if (token === undefined || !ctx.mountRefs.has(key, token)) throw notRetained(attempt, name)
    const uses = ctx.mountUses.count(key)
    if (ctx.mountRefs.count(key) - uses > 1) {
      await ctx.mountRefs.drop(key, token)
      return []
    }
    if (uses > 0) throw inUse(attempt, 'it is mounted, or being read or changed')
    try {
      await remove(ctx, layer, attempt)
    } catch (error) {
      if (!LayerError.is(error, 'ERR_CLEANUP_FAILED')) throw error
      throw await cleanUp(error, () => ctx.mountRefs.drop(key, token))
    }
    await ctx.mountRefs.drop(key, token)
    const retired = await ctx.metadata.lock('exclusive', async () => {
      await ctx.index.refresh()
      return await retireFrom(ctx, layer.parent)
    })
    return await removeRetired(ctx, retired)
  })
}

/**
 * De-lists the layer, then removes its files; lists it again if the driver cannot. Does nothing if
 * somebody has set it aside: its name may be another's by now.
 */
async function remove(ctx: StoreContext, layer: RWLayer, attempt: string): Promise<void> {
  const removal = await ctx.metadata.lock('exclusive', async () => {
    if ((await ctx.metadata.mount(layer.name))?.mountID !== layer.mountID) return undefined
    if (await ctx.metadata.heldElsewhere(mountKey(layer))) {
      throw inUse(attempt, 'another process uses it')
    }
    const kept = (await ctx.driver.kept?.(layer.mountID)) ?? []
    if (kept.length > 0) throw inUse(attempt, `it is mounted at ${kept[0]?.path}`)
    return await ctx.index.change(
      () => ctx.metadata.retireMount(layer.name),
      () => ctx.index.noteUnused(layer.parent),
    )
  })
  if (removal === undefined) return
  try {
    for (const id of removal.cacheIDs) await ctx.driver.remove(id)
  } catch (error) {
    // Half deleted it must not be listed again; then the next opening deletes the rest.
    if (!(await ctx.driver.exists(layer.mountID))) throw notCleared(error, attempt, layer.name)
    throw await cleanUp(wrapError(error, attempt), () => undoRemoval(ctx, removal, layer))
  }
  try {
    await removal.finish()
  } catch (error) {
    throw notCleared(error, attempt, layer.name)
  }
}

async function undoRemoval(ctx: StoreContext, removal: Removal, layer: RWLayer): Promise<void> {
  await ctx.metadata.lock('exclusive', () =>
    ctx.index.change(
      () => removal.undo(),
      () => ctx.index.noteUsed(layer.parent),
    ),
  )
}

/** The layer is gone; some of its files are not. */
function notCleared(cause: unknown, attempt: string, name: string): LayerError {
  return new LayerError(
    'ERR_CLEANUP_FAILED',
    `${attempt}: it is removed, but not all of its files could be deleted`,
    { cause, data: { name }, hint: 'They are deleted when the store is next opened' },
  )
}
