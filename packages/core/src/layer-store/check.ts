import { LayerError } from '../errors.ts'
import type { LayerRecord, MountRecord } from '../metadata.ts'
import type { CheckOptions, Problem } from '../store.ts'
import { callOptions, checkAborted } from '../streams.ts'
import type { StoreContext } from './context.ts'
import { cleanup, orphans } from './recovery.ts'
import { layerTar } from './tar-stream.ts'

type Finding = Omit<Problem, 'repaired'>

/** See `LayerStore.check`. */
export async function* check(
  ctx: StoreContext,
  options: CheckOptions = {},
): AsyncGenerator<Problem> {
  ctx.assertOpen('Cannot check the store')
  const repair = options.repair ?? false
  for await (const damage of ctx.metadata.damaged()) {
    if (repair) await setAside(ctx, damage.kind, damage.subject)
    yield {
      kind: 'damaged-metadata',
      subject: damage.subject,
      message: `The metadata of ${damage.kind} ${damage.subject} is damaged: ${damage.reason}`,
      repaired: repair,
    }
  }
  for (const layer of await Array.fromAsync(ctx.metadata.layers())) {
    checkAborted(options.signal, 'Cannot check the store')
    const findings = await Array.fromAsync(checkLayer(ctx, layer, options))
    if (repair && findings.length > 0) await setAside(ctx, 'layer', layer.chainID)
    for (const finding of findings) yield { ...finding, repaired: repair }
  }
  for (const mount of await Array.fromAsync(ctx.metadata.mounts())) {
    const finding = await checkMount(ctx, mount)
    if (finding === undefined) continue
    if (repair) await setAside(ctx, 'mount', mount.name)
    yield { ...finding, repaired: repair }
  }
  yield* checkOrphans(ctx, repair)
}

async function* checkLayer(
  ctx: StoreContext,
  layer: LayerRecord,
  options: CheckOptions,
): AsyncGenerator<Finding> {
  const subject = layer.chainID
  try {
    await ctx.index.refresh()
    await ctx.index.load(subject)
  } catch (error) {
    if (!LayerError.is(error)) throw error
    // Removed by somebody else since it was listed.
    if (error.code === 'ERR_LAYER_NOT_FOUND') return
    yield { kind: 'missing-parent', subject, message: error.message }
    return
  }
  if (!(await ctx.driver.exists(layer.cacheID))) {
    const message = `The files of layer ${subject} (driver layer ${layer.cacheID}) are missing`
    yield { kind: 'missing-data', subject, message }
    return
  }
  if (options.full) yield* readLayer(ctx, layer, options)
}

/** Reads a layer whole, and compares its files with its tar where the driver can. */
async function* readLayer(
  ctx: StoreContext,
  layer: LayerRecord,
  options: CheckOptions,
): AsyncGenerator<Finding> {
  const subject = layer.chainID
  const call = callOptions(options)
  try {
    for await (const _ of layerTar(ctx, layer, call));
  } catch (error) {
    if (!LayerError.is(error) || error.code === 'ERR_ABORTED' || error.code === 'ERR_IO')
      throw error
    const kind = error.code === 'ERR_DIGEST_MISMATCH' ? 'digest-mismatch' : 'altered-data'
    yield { kind, subject, message: error.message }
    return
  }
  const differences = ctx.driver.verify?.(layer.cacheID, layerTar(ctx, layer), call) ?? []
  for await (const text of differences) {
    yield { kind: 'altered-data', subject, message: `Layer ${subject}: ${text}` }
  }
}

async function checkMount(ctx: StoreContext, mount: MountRecord): Promise<Finding | undefined> {
  const subject = mount.name
  for (const id of [mount.mountID, ...(mount.initID ? [mount.initID] : [])]) {
    if (await ctx.driver.exists(id)) continue
    const message = `The files of read-write layer ${subject} (driver layer ${id}) are missing`
    return { kind: 'missing-data', subject, message }
  }
  if (mount.parent === undefined) return undefined
  try {
    await ctx.index.load(mount.parent)
    return undefined
  } catch (error) {
    if (!LayerError.is(error)) throw error
    const message = `Read-write layer ${subject} stands on a layer that is gone: ${error.message}`
    return { kind: 'missing-parent', subject, message }
  }
}

async function* checkOrphans(ctx: StoreContext, repair: boolean): AsyncGenerator<Problem> {
  for (const pending of await ctx.metadata.lock('exclusive', () => ctx.metadata.interrupted())) {
    const message = `Interrupted and not finished: ${pending.subject}`
    yield { kind: 'interrupted', subject: pending.subject, message, repaired: repair }
  }
  for (const id of await orphans(ctx)) {
    const message = `Nothing refers to driver layer ${id}`
    yield { kind: 'unreferenced-data', subject: id, message, repaired: repair }
  }
  if (repair) await cleanup(ctx)
}

async function setAside(
  ctx: StoreContext,
  kind: 'layer' | 'mount',
  subject: string,
): Promise<void> {
  await ctx.metadata.lock('exclusive', () =>
    ctx.index.change(
      () => ctx.metadata.setAside({ kind, subject }),
      () => {},
    ),
  )
  // Whoever stood on it is no longer what was remembered.
  ctx.index.forget()
}
