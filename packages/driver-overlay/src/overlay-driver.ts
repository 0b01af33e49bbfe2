import { changesBetween, diffSize, openFiles, verifyTree, writeDiff } from '@varve/archive'
import {
  type AppliedDiff,
  asCacheID,
  type ByteSource,
  type CacheID,
  type CallOptions,
  type Change,
  callOptions,
  cleanUp,
  type Driver,
  type DriverCapabilities,
  type DriverCreateOptions,
  type DriverCreateReadWriteOptions,
  type FileGetter,
  type KeptMount,
  LayerError,
  type Mount,
  type MountOptions,
  toStream,
  wrapError,
} from '@varve/core'
import { keptXattr } from '@varve/overlayfs'
import { findLayer, isThere, layersIn, onLayers } from '@varve/trees'
import { applyDiff } from './apply/apply-diff.ts'
import { differences } from './diff/differences.ts'
import { cleanUpHome } from './layers/cleanup.ts'
import { copyUpper } from './layers/copy-layer.ts'
import { mountLayer, unmountLayer, viewBeneath, viewLayer } from './layers/layer-mounts.ts'
import { makeLayer } from './layers/make-layer.ts'
import { removeLayer } from './layers/remove-layer.ts'
import { replaceLayer } from './layers/replace-layer.ts'
import { resetLayer } from './layers/reset-layer.ts'
import { layoutOf } from './layers/stacks.ts'
import { settingsOf } from './options/settings.ts'
import { parseStorageOptions, type StorageOptions } from './options/storage-options.ts'
import { requireSound } from './options/volatile.ts'
import type { Parts } from './parts.ts'
import { statusOf } from './status.ts'

/** Docker's limit (moby `overlay2/overlay.go`, `maxDepth`). */
const MAX_DEPTH = 128

export class OverlayDriver implements Driver {
  readonly name = 'overlay2'
  readonly capabilities: DriverCapabilities
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
    this.capabilities = {
      reproducesExactDiffs: false,
      maxDepth: MAX_DEPTH,
      mount: 'kernel',
      keeps: parts.features.keeps,
      needs: ['linux', 'root', 'ffi'],
    }
  }

  async create(id: CacheID, options: DriverCreateOptions = {}): Promise<void> {
    await this.#make(id, options.parent, {}, async () => {})
  }

  async createReadWrite(id: CacheID, options: DriverCreateReadWriteOptions = {}): Promise<void> {
    const { parent, copyOf } = options
    asCacheID(id)
    let settings = parseStorageOptions(options.storageOptions ?? {})
    if (copyOf === undefined) return this.#make(id, parent, settings, async () => {})
    await this.#find(copyOf)
    await requireSound(this.#parts, copyOf)
    settings = { ...(await settingsOf(this.#parts, copyOf)), ...settings }
    await this.#make(id, parent, settings, () => copyUpper(this.#parts, copyOf, id, options))
  }

  /** What is left of a layer that could not be made, or not filled, is removed. */
  async #make(
    id: CacheID,
    parent: CacheID | undefined,
    settings: StorageOptions,
    fill: () => Promise<void>,
  ): Promise<void> {
    const { home } = this.#parts
    asCacheID(id)
    const attempt = `Cannot create layer ${id}`
    if (parent !== undefined) await this.#find(parent)
    if (await isThere(home.layer(id))) {
      throw new LayerError('ERR_INVALID_ARGUMENT', `${attempt}: it exists already`, {
        data: { id },
      })
    }
    try {
      await makeLayer(this.#parts, id, parent, settings)
      await fill()
    } catch (error) {
      throw await cleanUp(wrapError(error, attempt, { id, parent }), () => this.remove(id))
    }
  }

  async remove(id: CacheID, options: CallOptions = {}): Promise<void> {
    asCacheID(id)
    try {
      await removeLayer(this.#parts, id, options)
    } catch (error) {
      throw wrapError(error, `Cannot remove layer ${id}`, { id })
    }
  }

  async exists(id: CacheID): Promise<boolean> {
    return isThere(this.#parts.home.layer(asCacheID(id)))
  }

  async *list(): AsyncIterable<CacheID> {
    yield* await layersIn(this.#parts.home.root)
  }

  async mount(id: CacheID, options: MountOptions = {}): Promise<Mount> {
    const parts = this.#parts
    return onLayers(parts.home, 'mount', [id], () => mountLayer(parts, id, options))
  }

  async unmount(
    id: CacheID,
    options: CallOptions & { readonly readOnly?: boolean; readonly all?: boolean } = {},
  ): Promise<number> {
    const parts = this.#parts
    return onLayers(parts.home, 'unmount', [id], () => unmountLayer(parts, id, options))
  }

  async kept(id: CacheID): Promise<readonly KeptMount[]> {
    await this.#find(id)
    return this.#parts.mounts.allKept(id)
  }

  async reset(id: CacheID, parent: CacheID | undefined, options: CallOptions = {}): Promise<void> {
    const parts = this.#parts
    const reset = () => resetLayer(parts, id, parent, options)
    await onLayers(parts.home, 'reset', parent === undefined ? [id] : [id, parent], reset)
  }

  async applyDiff(
    id: CacheID,
    _parent: CacheID | undefined,
    tar: ByteSource,
    options: CallOptions = {},
  ): Promise<AppliedDiff> {
    await this.#find(id)
    return applyDiff(this.#parts, id, tar, options)
  }

  async replace(id: CacheID, by: CacheID, options: CallOptions = {}): Promise<void> {
    const parts = this.#parts
    await onLayers(parts.home, 'replace', [id, by], () => replaceLayer(parts, id, by, options))
  }

  diff(id: CacheID, parent?: CacheID, options: CallOptions = {}): ReadableStream<Uint8Array> {
    return toStream(
      this.#differences(id, parent, options, ({ upper, lower, options: how }) =>
        writeDiff(upper, lower, how),
      ),
    )
  }

  changes(id: CacheID, parent?: CacheID, options: CallOptions = {}): AsyncIterable<Change> {
    return this.#differences(id, parent, options, ({ upper, lower, options: how }) =>
      changesBetween(upper, lower, how),
    )
  }

  async diffSize(id: CacheID, parent?: CacheID, options: CallOptions = {}): Promise<number> {
    const sizes = this.#differences(id, parent, options, async function* (trees) {
      yield await diffSize(trees.upper, trees.lower, trees.options)
    })
    let size = 0
    for await (const one of sizes) size += one
    return size
  }

  async files(id: CacheID): Promise<FileGetter> {
    await this.#find(id)
    return openFiles(this.#parts.home.diff(id), { sys: this.#parts.sys })
  }

  async *verify(id: CacheID, tar: ByteSource, options: CallOptions = {}): AsyncIterable<string> {
    const { home, sys, marks, features } = this.#parts
    await this.#find(id)
    using merged = await viewLayer(this.#parts, id)
    using beneath = viewBeneath(this.#parts, await layoutOf(home, id))
    yield* verifyTree(merged.path, tar, {
      ...callOptions(options),
      sys,
      ...(beneath && { lower: beneath.path }),
      sharesLower: true,
      foreign: true,
      keepOwner: features.keeps.owner,
      keepXattrs: features.keeps.xattrs,
      keepDevices: features.keeps.devices,
      // What looks like a mark is kept under another name, which not every kernel shows as it was.
      xattrName: (name) => (keptXattr(name, marks) === name ? name : undefined),
    })
  }

  async sync(ids: readonly CacheID[]): Promise<void> {
    const { home, sys } = this.#parts
    for (const id of ids) await this.#find(id)
    try {
      // Flushes also what is not ours; but one call for many files is by far the fastest.
      if (ids.length > 0) await sys.syncFileSystem(home.root)
    } catch (error) {
      throw wrapError(error, `Cannot put ${ids.length} layers on stable storage`, { ids })
    }
  }

  async cleanup(): Promise<readonly string[]> {
    try {
      return await cleanUpHome(this.#parts)
    } catch (error) {
      throw wrapError(error, `Cannot clean up ${this.#parts.home.root}`)
    }
  }

  status(): Promise<Readonly<Record<string, string>>> {
    return statusOf(this.#parts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.mounts.close()
    await this.#parts.scratch[Symbol.asyncDispose]()
  }

  async *#differences<T>(
    ...[id, parent, options, compare]: Tail<Parameters<typeof differences<T>>>
  ): AsyncGenerator<T> {
    await this.#find(id)
    if (parent !== undefined) await this.#find(parent)
    await requireSound(this.#parts, id)
    yield* differences(this.#parts, id, parent, options, compare)
  }

  async #find(id: CacheID): Promise<void> {
    await findLayer(this.#parts.home, id)
  }
}

type Tail<T extends readonly unknown[]> = T extends readonly [unknown, ...infer Rest] ? Rest : never
