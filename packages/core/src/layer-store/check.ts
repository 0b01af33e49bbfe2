import { type ErrorCode, LayerError } from '../errors.ts'
import type { ChainID } from '../ids.ts'
import type { LayerRecord, MountRecord } from '../metadata.ts'
import type { CheckOptions, Problem } from '../store.ts'
import { callOptions, checkAborted } from '../streams.ts'
import type { StoreContext } from './context.ts'
import { type Depth, type Fault, faultsOf, isDamage } from './faults.ts'
import { whoMayNeedOrphans, whoNeedsFiles } from './files-beneath.ts'
import { acquireLayer } from './read-only-layer.ts'
import { cleanup, orphans } from './recovery.ts'
import { restore } from './restore.ts'
import { setDamagedAside, setLayerAside, setMountAside, setUnloadableAside } from './set-aside.ts'

const ATTEMPT = 'Cannot check the store'
/** Why a layer cannot be made anew now, or not of what was given; all else is a failure. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'ERR_BLOB_NOT_FOUND',
  'ERR_MOUNT_IN_USE',
  'ERR_NOT_SUPPORTED',
  'ERR_UNKNOWN_MEDIA_TYPE',
])

/** See `LayerStore.check`. */
export async function* check(
  ctx: StoreContext,
  options: CheckOptions = {},
): AsyncGenerator<Problem> {
  const repair = options.repair ?? false
  for (const { kind, subject, reason } of await Array.fromAsync(ctx.metadata.damaged())) {
    if (repair) await setDamagedAside(ctx, kind, subject)
    const message = `The metadata of ${kind} ${subject} is damaged: ${reason}`
    yield { kind: 'damaged-metadata', subject, message, repaired: repair }
  }
  const damaged = new Set<ChainID | undefined>()
  for (const layer of parentsFirst(await Array.fromAsync(ctx.metadata.layers()))) {
    checkAborted(options.signal, ATTEMPT)
    // What is wrong beneath a layer is not to be blamed on it.
    const full = damaged.has(layer.parent) ? 'bytes' : 'files'
    const depth = options.full ? full : 'there'
    const found = await checkLayer(ctx, layer, depth, options)
    if (found.length === 0) continue
    const mendable = !damaged.has(layer.parent) && found.every(isOfFiles)
    const again = mendable ? await restored(ctx, layer, options) : undefined
    if (again?.done) {
      for (const fault of found) yield { ...fault, subject: layer.chainID, repaired: true }
    }
    const faults = again?.done ? await checkLayer(ctx, layer, depth, options) : found
    if (faults.length === 0) continue
    damaged.add(layer.chainID)
    const needs = repair ? await whoNeedsFiles(ctx, layer) : undefined
    const repaired = repair && needs === undefined
    if (repaired) {
      const unloadable = faults.every(({ kind }) => kind === 'missing-parent')
      await (unloadable ? setUnloadableAside(ctx, layer.chainID) : setLayerAside(ctx, layer))
    }
    const tried = again?.why === undefined ? '' : `; not restored: ${again.why}`
    const left = needs === undefined ? '' : `; left in place, since ${needs} stands on its files`
    for (const { kind, message } of faults) {
      yield { kind, message: `${message}${tried}${left}`, subject: layer.chainID, repaired }
    }
  }
  for (const mount of await Array.fromAsync(ctx.metadata.mounts())) {
    checkAborted(options.signal, ATTEMPT)
    yield* checkMount(ctx, mount, repair)
  }
  yield* checkOrphans(ctx, repair)
}

/**
 * Makes a damaged layer anew, if its tar can be had and the driver can.
 *
 * @returns whether that was done, or why not; undefined if there was nothing to make it of
 */
async function restored(
  ctx: StoreContext,
  layer: LayerRecord,
  options: CheckOptions,
): Promise<{ readonly done: boolean; readonly why?: string } | undefined> {
  if (!options.repair || !options.sources || !ctx.driver.replace) return undefined
  let why: string | undefined
  for await (const tar of options.sources(layer)) {
    try {
      await restore(ctx, layer, tar, callOptions(options))
      return { done: true }
    } catch (error) {
      // What was given is damaged itself, or the files are in use; the layer is as it was.
      if (!isDamage(error) && !isRefusal(error)) throw error
      why ??= error.message
    }
  }
  return why === undefined ? undefined : { done: false, why }
}

function isOfFiles({ kind }: Fault): boolean {
  return kind !== 'missing-parent' && kind !== 'missing-data'
}

function isRefusal(error: unknown): error is LayerError {
  return LayerError.is(error) && REFUSALS.has(error.code)
}

/** So that what stands on a layer that is set aside is found to in the same run. */
function parentsFirst(layers: readonly LayerRecord[]): readonly LayerRecord[] {
  const records = new Map(layers.map((layer) => [layer.chainID, layer]))
  const depths = new Map<ChainID, number>()
  const depthOf = (id: ChainID | undefined): number => {
    const record = id && records.get(id)
    if (!record) return 0
    const depth = depths.get(record.chainID) ?? depthOf(record.parent) + 1
    depths.set(record.chainID, depth)
    return depth
  }
  return layers.toSorted((a, b) => depthOf(a.chainID) - depthOf(b.chainID))
}

async function checkLayer(
  ctx: StoreContext,
  layer: LayerRecord,
  depth: Depth,
  options: CheckOptions,
): Promise<readonly Fault[]> {
  const call = callOptions(options)
  try {
    const own = await acquireLayer(ctx, layer.chainID, ATTEMPT, call)
    try {
      // Somebody else's by now, who has just made it.
      if (own.record.cacheID !== layer.cacheID) return []
      return await Array.fromAsync(faultsOf(ctx, layer, depth, call))
    } finally {
      await own.drop()
    }
  } catch (error) {
    // Removed by somebody else since it was listed.
    if (LayerError.is(error, 'ERR_LAYER_NOT_FOUND')) return []
    if (!LayerError.is(error, 'ERR_CORRUPT_METADATA')) throw error
    return [{ kind: 'missing-parent', message: error.message }]
  }
}

/**
 * A read-write layer holds what nobody can load again: it is set aside only when its own files are
 * gone.
 */
async function* checkMount(
  ctx: StoreContext,
  mount: MountRecord,
  repair: boolean,
): AsyncGenerator<Problem> {
  const { name: subject, mountID, initID, parent } = mount
  const missing = (id: string): string =>
    `The files of read-write layer ${subject} (driver layer ${id}) are missing`
  if (!(await ctx.driver.exists(mountID))) {
    if (!(await isListed(ctx, mount))) return
    if (repair) await setMountAside(ctx, mount)
    yield { kind: 'missing-data', subject, message: missing(mountID), repaired: repair }
    return
  }
  if (initID && !(await ctx.driver.exists(initID)) && (await isListed(ctx, mount))) {
    yield { kind: 'missing-data', subject, message: missing(initID), repaired: false }
  }
  const why = await whyMissing(ctx, parent)
  if (why === undefined || !(await isListed(ctx, mount))) return
  const message = `Read-write layer ${subject} stands on a layer that is gone: ${why}`
  yield { kind: 'missing-parent', subject, message, repaired: false }
}

/** Whether a read-write layer has not been removed since it was found. */
async function isListed(ctx: StoreContext, { name, mountID }: MountRecord): Promise<boolean> {
  return (await ctx.metadata.mount(name))?.mountID === mountID
}

async function whyMissing(ctx: StoreContext, id: ChainID | undefined): Promise<string | undefined> {
  if (id === undefined) return undefined
  try {
    await ctx.metadata.lock('shared', async () => {
      await ctx.index.refresh()
      await ctx.index.load(id)
    })
    return undefined
  } catch (error) {
    const isGone =
      LayerError.is(error, 'ERR_LAYER_NOT_FOUND') || LayerError.is(error, 'ERR_CORRUPT_METADATA')
    if (isGone) return error.message
    throw error
  }
}

async function* checkOrphans(ctx: StoreContext, repair: boolean): AsyncGenerator<Problem> {
  for (const pending of await ctx.metadata.lock('exclusive', () => ctx.metadata.interrupted())) {
    const message = `Interrupted and not finished: ${pending.subject}`
    yield { kind: 'interrupted', subject: pending.subject, message, repaired: repair }
  }
  const name = await whoMayNeedOrphans(ctx)
  const why = name === undefined ? '' : `; left alone, since read-write layer ${name} may need it`
  for (const id of await orphans(ctx)) {
    const message = `Nothing refers to driver layer ${id}${why}`
    const repaired = repair && name === undefined
    yield { kind: 'unreferenced-data', subject: id, message, repaired }
  }
  if (repair) await cleanup(ctx)
}
