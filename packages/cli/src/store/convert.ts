import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { applyLayer } from '@varve/archive'
import {
  type CallOptions,
  type ChainID,
  callOptions,
  LayerError,
  type LayerRecord,
  type LayerStore,
  type MountRecord,
} from '@varve/core'
import { canonicalName, driverKind } from './drivers.ts'
import { depthOf, layersByID } from './layers.ts'
import { type OpenedStore, open } from './open.ts'

/** How {@link convert} converts. */
export interface ConvertOptions extends CallOptions {
  readonly root: string
  /** The driver that keeps the layers now; default: the only one there is. */
  readonly from?: string
  /** The driver that shall keep them. */
  readonly to: string
  /** Leave the layers of the old driver where they are. Default false. */
  readonly keep?: boolean
}

/** What {@link convert} did. */
export interface Converted {
  readonly from: string
  readonly to: string
  /** Those that were there before, as after a conversion that was killed, included. */
  readonly layers: number
  readonly readWriteLayers: number
  readonly images: number
  /** Whether the old driver keeps nothing any more. */
  readonly removed: boolean
}

/**
 * Brings all that a store has to another driver: layers by their very tars, so that each keeps its
 * DiffID and ChainID, read-write layers by their changes, and images as they are. What the old
 * driver keeps is removed last, so that it can be killed at any point and begun again.
 *
 * Limits and other options of read-write layers are not carried over.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` if that driver keeps them already, `ERR_MOUNT_IN_USE`
 *   if a read-write layer is mounted, and what `Layer.tar` and `LayerStore.register` throw
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { emptyTar, LayerError } from '@varve/core'
 * import { convert, open } from 'varve'
 *
 * const root = await mkdtemp(join(tmpdir(), 'varve-'))
 * await using opened = await open({ root, driver: 'vfs' })
 * await using _layer = await opened.store.register([emptyTar()])
 * try {
 *   const { layers } = await convert({ root, from: 'vfs', to: 'overlay2', keep: true })
 *   console.assert(layers === 1)
 * } catch (error) {
 *   // Not root, or no Linux: overlays cannot be mounted.
 *   console.assert(LayerError.is(error, 'ERR_NOT_SUPPORTED'))
 * }
 * ```
 */
export async function convert(options: ConvertOptions): Promise<Converted> {
  const { root } = options
  const to = canonicalName(options.to)
  driverKind(to)
  const from = options.from === undefined ? {} : { driver: options.from }
  await using source = await open({ root, create: false, ...from })
  if (source.driver === to) {
    throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot convert ${root}: ${to} keeps it already`)
  }
  if (source.readOnly) {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot convert ${root}: it is Docker's own`, {
      hint: 'Save the images, and load them into a store of varve',
    })
  }
  const mounts = await Array.fromAsync(source.store.rwLayers())
  await refuseMounted(source.store, mounts)
  await using target = await open({ root, driver: to })
  await using held = new AsyncDisposableStack()
  const layers = await inOrder(source.store)
  for (const record of layers) held.use(await copyLayer(source, target, record, options))
  for (const record of mounts) await copyRW(source, target, record, options)
  await target.store.sync()
  const { ids } = await target.images.copyFrom({
    root,
    driver: source.driver,
    ...callOptions(options),
  })
  const removed = options.keep !== true && (await empty(source))
  const counts = { layers: layers.length, readWriteLayers: mounts.length, images: ids.length }
  return { from: source.driver, to, ...counts, removed }
}

async function refuseMounted(store: LayerStore, mounts: readonly MountRecord[]): Promise<void> {
  for (const { name } of mounts) {
    await using layer = await store.getRW(name)
    const [kept] = await layer.kept()
    if (kept === undefined) continue
    throw new LayerError('ERR_MOUNT_IN_USE', `Cannot convert ${name}: it is mounted`, {
      data: { name, path: kept.path },
      hint: `varve umount ${name}`,
    })
  }
}

/** Parents before children. */
async function inOrder(store: LayerStore): Promise<readonly LayerRecord[]> {
  const layers = await layersByID(store)
  const depth = new Map([...layers.keys()].map((id) => [id, depthOf(id, layers)]))
  const depthAt = (id: ChainID) => depth.get(id) ?? 0
  return [...layers.values()].sort((a, b) => depthAt(a.chainID) - depthAt(b.chainID))
}

async function copyLayer(
  source: OpenedStore,
  target: OpenedStore,
  { chainID, diffID, parent, descriptor }: LayerRecord,
  options: CallOptions,
): Promise<AsyncDisposable> {
  if (await target.store.has(chainID)) return await target.store.get(chainID)
  await using layer = await source.store.get(chainID)
  return await target.store.register(layer.tar(callOptions(options)), {
    ...callOptions(options),
    ...(parent ? { parent } : {}),
    ...(descriptor ? { descriptor } : {}),
    expect: diffID,
    durability: 'deferred',
  })
}

async function copyRW(
  source: OpenedStore,
  target: OpenedStore,
  record: MountRecord,
  options: CallOptions,
): Promise<void> {
  const { name, parent, initID, annotations } = record
  for await (const there of target.store.rwLayers()) if (there.name === name) return
  await using layer = await source.store.getRW(name)
  await using under = parent && (await source.store.get(parent))
  const init = async (path: string): Promise<void> => {
    if (initID === undefined) return
    const tar = source.store.driver.diff(initID, under?.cacheID, callOptions(options))
    await using _applied = await applyLayer(path, tar, callOptions(options))
  }
  await using _copy = await target.store.createRW(name, {
    ...callOptions(options),
    ...(parent ? { parent } : {}),
    ...(annotations ? { annotations } : {}),
    ...(initID ? { init } : {}),
    changes: layer.tar(callOptions(options)),
  })
}

/** Removes all that the old driver keeps; false if somebody still uses some of it. */
async function empty({ root, driver, store, images, close }: OpenedStore): Promise<boolean> {
  for await (const { name } of store.rwLayers()) await store.releaseRW(await store.getRW(name))
  for (const { id } of await images.list()) await images.remove(id, { force: true })
  await store.gc({ keep: [] })
  await store.cleanup()
  const left = [
    ...(await Array.fromAsync(store.layers())),
    ...(await Array.fromAsync(store.driver.list())),
  ]
  await close()
  if (left.length > 0) return false
  for (const path of [join('image', driver), join('varve/images', driver), driverKind(driver).home])
    await rm(join(root, path), { recursive: true, force: true })
  return true
}
