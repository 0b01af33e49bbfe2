import type { AppliedDiff } from '../driver.ts'
import { cleanUp, LayerError } from '../errors.ts'
import { type CacheID, type ChainID, newCacheID } from '../ids.ts'
import type { LayerRecord } from '../metadata.ts'
import { type ByteSource, type CallOptions, callOptions, checkAborted } from '../streams.ts'
import { assertUnchanged, parentCacheID, type StoreContext } from './context.ts'
import { sharesFiles } from './files-beneath.ts'
import { beginChange, settle } from './publish.ts'
import { acquireLayer } from './read-only-layer.ts'
import { mountKey } from './rw-record.ts'
import { DigestingSource, drain, shared, wrongDigest } from './tar-stream.ts'

/**
 * Makes a damaged layer's files anew from its tar, in place: as a second driver layer, which then
 * changes places with the damaged one. Killed before that, the layer is as it was, and the next
 * opening removes what was begun.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE` if its files are in use, `ERR_DIGEST_MISMATCH` for another
 *   tar, and what the driver and the tar throw
 */
export async function restore(
  ctx: StoreContext,
  layer: LayerRecord,
  tar: ByteSource,
  options: CallOptions,
): Promise<void> {
  const attempt = `Cannot restore layer ${layer.chainID}`
  checkAborted(options.signal, attempt)
  const own = await acquireLayer(ctx, layer.chainID, attempt, options)
  try {
    const fresh = newCacheID()
    const tx = await beginChange(ctx, [fresh], options, attempt)
    let error: unknown
    try {
      await fill(ctx, fresh, layer, tar, attempt, options)
      await ctx.metadata.lock('exclusive', async () => {
        await assertUnchanged(ctx, layer, attempt)
        await refuseInUse(ctx, layer, attempt)
        await ctx.driver.replace?.(layer.cacheID, fresh, options)
      })
      await ctx.driver.sync([layer.cacheID])
    } catch (caught) {
      error = caught
    }
    // Nothing was published: what goes is what was begun, or what was damaged.
    await settle(ctx, tx, [fresh], { published: false, error }, attempt)
  } finally {
    await own.drop()
  }
}

async function fill(
  ctx: StoreContext,
  fresh: CacheID,
  layer: LayerRecord,
  tar: ByteSource,
  attempt: string,
  options: CallOptions,
): Promise<void> {
  const { driver } = ctx
  const call = callOptions(options)
  const parent = await parentCacheID(ctx, layer.parent)
  await driver.create(fresh, { ...call, ...(parent === undefined ? {} : { parent }) })
  const source = new DigestingSource()
  const bytes = source.pass(tar, attempt, options, layer.chainID)
  let applied: AppliedDiff
  try {
    const how = { ...call, digest: () => source.digest() }
    applied = await driver.applyDiff(fresh, parent, shared(bytes), how)
  } catch (error) {
    throw await cleanUp(error, () => bytes.return(undefined))
  }
  // What the files do not hold is in the layer's record since it was registered.
  await applied[Symbol.asyncDispose]()
  await drain(bytes)
  const digest = source.digest()
  if (digest !== layer.diffID) throw wrongDigest(attempt, digest, layer.diffID)
  await driver.sync([fresh])
}

/**
 * Refuses while somebody uses a layer's files, perhaps from above. The driver knows of all mounts
 * that there are; only here it is known who is about to make one. Call it under the exclusive lock.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE`
 */
async function refuseInUse(ctx: StoreContext, layer: LayerRecord, attempt: string): Promise<void> {
  const { metadata, mountUses } = ctx
  const refuse = (who: string): never => {
    throw new LayerError('ERR_MOUNT_IN_USE', `${attempt}: ${who} uses its files`, {
      data: { chainID: layer.chainID },
      hint: 'Unmount what stands on it, then try again',
    })
  }
  const users = sharesFiles(ctx) ? await aboveOf(ctx, layer.chainID) : new Set([layer.chainID])
  for (const id of users) if (await metadata.heldElsewhere(id)) refuse('another process')
  if (!sharesFiles(ctx)) return
  for (const mount of await Array.fromAsync(metadata.mounts())) {
    if (mount.parent === undefined || !users.has(mount.parent)) continue
    const key = mountKey(mount)
    const isUsed = mountUses.count(key) > 0 || (await metadata.heldElsewhere(key))
    if (isUsed) refuse(`read-write layer ${mount.name}`)
  }
}

/** A layer and all that stand on it. */
async function aboveOf({ metadata }: StoreContext, base: ChainID): Promise<ReadonlySet<ChainID>> {
  const layers = await Array.fromAsync(metadata.layers())
  const above = new Set([base])
  for (let known = 0; known < above.size; ) {
    known = above.size
    for (const { chainID, parent } of layers) if (parent && above.has(parent)) above.add(chainID)
  }
  return above
}
