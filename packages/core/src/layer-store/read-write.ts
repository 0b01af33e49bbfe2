import type { Driver } from '../driver.ts'
import { cleanUp, LayerError, wrapError } from '../errors.ts'
import { asCacheID, asChainID, asMountName, type CacheID, newCacheID } from '../ids.ts'
import type { LayerRecord, MountRecord, Removal, Transaction } from '../metadata.ts'
import type { CreateRWOptions, RemovedLayer, RWLayer } from '../store.ts'
import { type CallOptions, callOptions, checkAborted } from '../streams.ts'
import { assertUnchanged, type StoreContext } from './context.ts'
import { makeChainSafe } from './durability.ts'
import { beginChange, type PublishOutcome, publishStaged, settle } from './publish.ts'
import { type AcquiredLayer, acquireLayer } from './read-only-layer.ts'
import { makeRWLayer, mountKey, tokenOfRW } from './read-write-layer.ts'
import { notRetained } from './references.ts'
import { removeRetired, retireFrom } from './release.ts'

/** See `LayerStore.createRW`. */
export async function createRW(
  ctx: StoreContext,
  name: string,
  options: CreateRWOptions = {},
): Promise<RWLayer> {
  const attempt = `Cannot create read-write layer ${asMountName(name)}`
  ctx.assertOpen(attempt)
  return await ctx.names.run(name, async () => {
    checkAborted(options.signal, attempt)
    if (await ctx.metadata.mount(name)) throw nameConflict(name, attempt)
    const parent =
      options.parent && (await acquireLayer(ctx, asChainID(options.parent), attempt, options))
    try {
      return await make(ctx, name, attempt, parent || undefined, options)
    } finally {
      if (parent) await parent.drop()
    }
  })
}

async function make(
  ctx: StoreContext,
  name: string,
  attempt: string,
  parent: AcquiredLayer | undefined,
  options: CreateRWOptions,
): Promise<RWLayer> {
  const { driver } = ctx
  const mountID = newCacheID()
  const initID = options.init && asCacheID(`${mountID}-init`)
  const ids = initID ? [mountID, initID] : [mountID]
  const record: MountRecord = {
    name,
    mountID,
    ...(initID ? { initID } : {}),
    ...(parent ? { parent: parent.record.chainID } : {}),
  }
  const tx = await beginChange(ctx, ids, options, attempt)
  let outcome: Outcome
  try {
    if (initID) await makeInitLayer(driver, initID, parent?.record.cacheID, options)
    const beneath = initID ?? parent?.record.cacheID
    await driver.createReadWrite(mountID, {
      ...callOptions(options),
      ...(beneath ? { parent: beneath } : {}),
      ...(options.mountLabel === undefined ? {} : { mountLabel: options.mountLabel }),
      ...(options.storageOptions ? { storageOptions: options.storageOptions } : {}),
    })
    await makeChainSafe(ctx, parent?.record.chainID)
    await driver.sync(ids)
    await tx.stageMount(record)
    outcome = await publish(ctx, tx, record, parent?.record, options, attempt)
  } catch (error) {
    outcome = { published: false, error }
  }
  try {
    await settle(ctx, tx, ids, outcome, attempt)
  } catch (error) {
    throw await cleanUp(error, () => outcome.layer?.[Symbol.asyncDispose]())
  }
  return outcome.layer as RWLayer
}

type Outcome = PublishOutcome & { readonly layer?: RWLayer }

async function publish(
  ctx: StoreContext,
  tx: Transaction,
  record: MountRecord,
  parent: LayerRecord | undefined,
  options: CallOptions,
  attempt: string,
): Promise<Outcome> {
  const { metadata, index } = ctx
  const { name } = record
  const key = mountKey(record)
  const list = async (): Promise<Outcome> => {
    if (parent) await assertUnchanged(ctx, parent, attempt)
    // Taken before: a layer that is listed must never fail for want of a reference.
    const token = await ctx.mountRefs.take(key)
    const staged = {
      isListed: async () => (await metadata.mount(name))?.mountID === record.mountID,
      retire: () => metadata.retireMount(name),
    }
    const outcome = await publishStaged(ctx, tx, staged, () => index.noteUsed(record.parent))
    if (outcome.published) return { ...outcome, layer: makeRWLayer(ctx, record, token) }
    const error = outcome.error ?? nameConflict(name, attempt)
    return { ...outcome, error: await cleanUp(error, () => ctx.mountRefs.drop(key, token)) }
  }
  return await metadata.lock('exclusive', list, callOptions(options))
}

async function makeInitLayer(
  driver: Driver,
  initID: CacheID,
  parent: CacheID | undefined,
  options: CreateRWOptions,
): Promise<void> {
  await driver.createReadWrite(initID, {
    ...callOptions(options),
    ...(parent ? { parent } : {}),
    ...(options.storageOptions ? { storageOptions: options.storageOptions } : {}),
  })
  const mount = await driver.mount(initID, callOptions(options))
  try {
    await options.init?.(mount.path)
    checkAborted(options.signal, 'Cannot prepare a read-write layer')
  } catch (error) {
    throw await cleanUp(error, () => mount[Symbol.asyncDispose]())
  }
  await mount[Symbol.asyncDispose]()
}

/** See `LayerStore.getRW`. */
export async function getRW(ctx: StoreContext, name: string): Promise<RWLayer> {
  ctx.assertOpen(`Cannot open read-write layer ${name}`)
  return await ctx.names.run(name, () =>
    ctx.metadata.lock('shared', async () => {
      const record = await requireMount(ctx, name)
      return makeRWLayer(ctx, record, await ctx.mountRefs.take(mountKey(record)))
    }),
  )
}

/** A read-write layer's record. @throws LayerError `ERR_MOUNT_NOT_FOUND` */
export async function requireMount(ctx: StoreContext, name: string): Promise<MountRecord> {
  const record = await ctx.metadata.mount(asMountName(name))
  if (record) return record
  throw new LayerError('ERR_MOUNT_NOT_FOUND', `Cannot find a read-write layer named ${name}`, {
    data: { name },
  })
}

/** See `LayerStore.releaseRW`. */
export async function releaseRW(
  ctx: StoreContext,
  layer: RWLayer,
): Promise<readonly RemovedLayer[]> {
  const { name } = layer
  const attempt = `Cannot release read-write layer ${name}`
  ctx.assertOpen(attempt)
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

function nameConflict(name: string, attempt: string): LayerError {
  return new LayerError('ERR_MOUNT_NAME_CONFLICT', `${attempt}: the name is taken`, {
    data: { name },
    hint: 'Choose another name, or remove the read-write layer that has it',
  })
}

function inUse(attempt: string, why: string): LayerError {
  return new LayerError('ERR_MOUNT_IN_USE', `${attempt}: ${why}`, {
    hint: 'Unmount it wherever it is used, then try again',
  })
}
