import type { AppliedDiff } from '../driver.ts'
import { cleanUp } from '../errors.ts'
import { asChainID, asDiffID, type CacheID, chainIDOf, newCacheID } from '../ids.ts'
import type { Durability, LayerRecord, Transaction } from '../metadata.ts'
import type { Layer, RegisterOptions } from '../store.ts'
import { type ByteSource, callOptions, checkAborted } from '../streams.ts'
import { assertUnchanged, type StoreContext } from './context.ts'
import { assertChainDepth } from './depth.ts'
import { makeChainSafe } from './durability.ts'
import { beginChange, type PublishOutcome, publishStaged, settle } from './publish.ts'
import { acquireLayer, makeLayer } from './read-only-layer.ts'
import { DigestingSource, drain, shared, wrongDigest } from './tar-stream.ts'

const ATTEMPT = 'Cannot register layer'

/** See `LayerStore.register`. */
export async function register(
  ctx: StoreContext,
  tar: ByteSource,
  options: RegisterOptions = {},
): Promise<Layer> {
  checkAborted(options.signal, ATTEMPT)
  if (options.expect !== undefined) asDiffID(options.expect)
  const parent =
    options.parent && (await acquireLayer(ctx, asChainID(options.parent), ATTEMPT, options))
  try {
    assertChainDepth(ctx.driver, (parent ? parent.depth : 0) + 1, ATTEMPT)
    const cacheID = newCacheID()
    const tx = await beginChange(ctx, [cacheID], options, ATTEMPT)
    let outcome: Outcome
    try {
      const staged = await fill(ctx, tx, cacheID, parent?.record, tar, options)
      outcome = await publish(ctx, tx, staged, parent?.record, options)
    } catch (error) {
      outcome = { published: false, error }
    }
    const layer = outcome.layer as Layer
    try {
      await settle(ctx, tx, [cacheID], outcome, ATTEMPT)
      // Whoever listed it first may have asked for less.
      if (!outcome.published && durabilityOf(options) === 'full') {
        await makeChainSafe(ctx, layer.chainID)
      }
    } catch (error) {
      throw await cleanUp(error, () => layer?.[Symbol.asyncDispose]())
    }
    return layer
  } finally {
    await parent?.drop()
  }
}

type Outcome = PublishOutcome & { readonly layer?: Layer }

/** Makes the driver's layer from the tar and stages its metadata. */
async function fill(
  ctx: StoreContext,
  tx: Transaction,
  cacheID: CacheID,
  parent: LayerRecord | undefined,
  tar: ByteSource,
  options: RegisterOptions,
): Promise<LayerRecord> {
  const { driver, codec } = ctx
  const durability = durabilityOf(options)
  await driver.create(cacheID, {
    ...callOptions(options),
    ...(parent ? { parent: parent.cacheID } : {}),
  })

  const source = new DigestingSource()
  let bytes: AsyncGenerator<Uint8Array> = source.pass(
    tar,
    ATTEMPT,
    options,
    options.expect ?? cacheID,
  )
  const sink = codec && tx.tarSplit()
  if (codec && sink) bytes = codec.disassemble(bytes, sink, callOptions(options))

  let applied: AppliedDiff
  try {
    applied = await driver.applyDiff(cacheID, parent?.cacheID, shared(bytes), {
      ...callOptions(options),
      digest: () => source.digest(),
    })
  } catch (error) {
    throw await cleanUp(error, () => bytes.return(undefined))
  }
  try {
    await drain(bytes)
    await sink?.close()
    const diffID = source.digest()
    if (options.expect !== undefined && options.expect !== diffID) {
      throw wrongDigest(ATTEMPT, diffID, options.expect)
    }
    if (codec && applied.displaced.length > 0) {
      await tx.rewriteTarSplit((record) => codec.inline(record, applied.displaced))
    }
    if (durability === 'full') {
      await makeChainSafe(ctx, parent?.chainID)
      await driver.sync([cacheID])
    }
    const record: LayerRecord = {
      chainID: chainIDOf(parent?.chainID, diffID),
      diffID,
      cacheID,
      diffSize: applied.size,
      ...(parent ? { parent: parent.chainID } : {}),
      ...(options.descriptor ? { descriptor: options.descriptor } : {}),
    }
    await tx.stageLayer(record, durability)
    return record
  } finally {
    await applied[Symbol.asyncDispose]()
  }
}

function durabilityOf(options: RegisterOptions): Durability {
  return options.durability ?? 'full'
}

/** Lists the staged layer, or finds the one that another registration listed first. */
async function publish(
  ctx: StoreContext,
  tx: Transaction,
  record: LayerRecord,
  parent: LayerRecord | undefined,
  options: RegisterOptions,
): Promise<Outcome> {
  const { metadata, index } = ctx
  const id = record.chainID
  const list = async (): Promise<Outcome> => {
    const staged = {
      isListed: async () => (await metadata.layer(id))?.cacheID === record.cacheID,
      retire: () => metadata.retire([id]),
    }
    if (parent) await assertUnchanged(ctx, parent, ATTEMPT)
    // Taken before, so that nothing can fail between the publication and the caller's reference.
    const token = await ctx.layerRefs.take(id)
    let result = await publishStaged(ctx, tx, staged, () => index.noteAdded(record))
    if (result.error === undefined) {
      try {
        return { ...result, layer: makeLayer(ctx, await index.load(id, ATTEMPT), token) }
      } catch (error) {
        result = { ...result, error }
      }
    }
    return { ...result, error: await cleanUp(result.error, () => ctx.layerRefs.drop(id, token)) }
  }
  return await metadata.lock('exclusive', list, callOptions(options))
}
