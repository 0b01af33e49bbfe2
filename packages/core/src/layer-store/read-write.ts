import type { Driver } from '../driver.ts'
import { cleanUp, LayerError } from '../errors.ts'
import { asCacheID, asChainID, asMountName, type CacheID, newCacheID } from '../ids.ts'
import type { LayerRecord, MountRecord, Transaction } from '../metadata.ts'
import type { CreateRWOptions, RWLayer } from '../store.ts'
import { type CallOptions, callOptions, checkAborted } from '../streams.ts'
import { assertUnchanged, type StoreContext } from './context.ts'
import { assertDriverDepth } from './depth.ts'
import { makeChainSafe } from './durability.ts'
import { beginChange, type PublishOutcome, publishStaged, settle } from './publish.ts'
import { type AcquiredLayer, acquireLayer } from './read-only-layer.ts'
import { makeRWLayer } from './read-write-layer.ts'
import type { ReferenceToken } from './references.ts'
import { mountKey } from './rw-record.ts'

/** The layers that a new one starts as a copy of. */
type Copied = Pick<MountRecord, 'mountID' | 'initID'>

/**
 * See `LayerStore.createRW`.
 *
 * @param copyOf of a read-write layer on the same parent
 */
export async function createRW(
  ctx: StoreContext,
  name: string,
  options: CreateRWOptions = {},
  copyOf?: Copied,
): Promise<RWLayer> {
  const attempt = `Cannot create read-write layer ${asMountName(name)}`
  return await ctx.names.run(name, async () => {
    checkAborted(options.signal, attempt)
    if (await ctx.metadata.mount(name)) throw nameConflict(name, attempt)
    const parent =
      options.parent && (await acquireLayer(ctx, asChainID(options.parent), attempt, options))
    try {
      return await make(ctx, name, attempt, parent || undefined, options, copyOf)
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
  copyOf: Copied | undefined,
): Promise<RWLayer> {
  const { driver } = ctx
  const mountID = newCacheID()
  const initID = (options.init || copyOf?.initID) && asCacheID(`${mountID}-init`)
  const ids = initID ? [mountID, initID] : [mountID]
  const record: MountRecord = {
    name,
    mountID,
    ...(initID ? { initID } : {}),
    ...(parent ? { parent: parent.record.chainID } : {}),
    ...(options.annotations ? { annotations: options.annotations } : {}),
  }
  assertDriverDepth(driver, (parent?.depth ?? 0) + ids.length, attempt)
  const tx = await beginChange(ctx, ids, options, attempt)
  let outcome: Outcome
  try {
    if (initID) await makeInitLayer(driver, initID, parent?.record.cacheID, options, copyOf?.initID)
    const beneath = initID ?? parent?.record.cacheID
    await driver.createReadWrite(mountID, {
      ...callOptions(options),
      ...(beneath ? { parent: beneath } : {}),
      ...(options.mountLabel === undefined ? {} : { mountLabel: options.mountLabel }),
      ...(options.storageOptions ? { storageOptions: options.storageOptions } : {}),
      ...(copyOf ? { copyOf: copyOf.mountID } : {}),
    })
    if (options.changes) {
      await using _applied = await driver.applyDiff(mountID, beneath, options.changes, {
        ...callOptions(options),
      })
    }
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
    if (outcome.published) return { ...outcome, layer: handleOf(ctx, record, token) }
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
  copyOf: CacheID | undefined,
): Promise<void> {
  await driver.createReadWrite(initID, {
    ...callOptions(options),
    ...(parent ? { parent } : {}),
    ...(options.storageOptions ? { storageOptions: options.storageOptions } : {}),
    ...(copyOf ? { copyOf } : {}),
  })
  if (copyOf) return
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
  return await ctx.names.run(name, () =>
    ctx.metadata.lock('shared', async () => {
      const record = await requireMount(ctx, name)
      return handleOf(ctx, record, await ctx.mountRefs.take(mountKey(record)))
    }),
  )
}

/** A handle that can be forked: which makes another read-write layer, and so begins here. */
function handleOf(ctx: StoreContext, record: MountRecord, token: ReferenceToken): RWLayer {
  const { parent, annotations } = record
  return makeRWLayer(ctx, record, token, (name, options) => {
    const inherited = {
      ...(annotations ? { annotations } : {}),
      ...options,
      ...(parent ? { parent } : {}),
    }
    return createRW(ctx, name, inherited, record)
  })
}

/** A read-write layer's record. @throws LayerError `ERR_MOUNT_NOT_FOUND` */
export async function requireMount(ctx: StoreContext, name: string): Promise<MountRecord> {
  const record = await ctx.metadata.mount(asMountName(name))
  if (record) return record
  throw new LayerError('ERR_MOUNT_NOT_FOUND', `Cannot find a read-write layer named ${name}`, {
    data: { name },
  })
}

function nameConflict(name: string, attempt: string): LayerError {
  return new LayerError('ERR_MOUNT_NAME_CONFLICT', `${attempt}: the name is taken`, {
    data: { name },
    hint: 'Choose another name, or remove the read-write layer that has it',
  })
}
