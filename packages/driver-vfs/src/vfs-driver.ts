import process from 'node:process'
import { changesBetween, diffSize, openFiles, verifyTree, writeDiff } from '@varve/archive'
import {
  type AppliedDiff,
  asCacheID,
  type ByteSource,
  type CacheID,
  type CallOptions,
  type Change,
  callOptions,
  type Driver,
  type DriverCapabilities,
  type DriverCreateOptions,
  type DriverCreateReadWriteOptions,
  type DriverVerifyOptions,
  type FileGetter,
  type KeptMount,
  type Mount,
  type MountOptions,
  toStream,
  wrapError,
} from '@varve/core'
import { findLayer, isThere, layersIn, onLayers } from '@varve/trees'
import { applyDiff } from './layers/apply-diff.ts'
import { makeLayer, refuseStorageOptions } from './layers/make-layer.ts'
import { removeLayer } from './layers/remove-layer.ts'
import { replaceLayer } from './layers/replace-layer.ts'
import { resetLayer } from './layers/reset-layer.ts'
import type { Parts } from './parts.ts'
import { statusOf } from './status.ts'

/** Docker sets no limit; neither is there one in the layout. As in its other drivers. */
const MAX_DEPTH = 128

export class VfsDriver implements Driver {
  readonly name = 'vfs'
  readonly capabilities: DriverCapabilities
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
    this.capabilities = {
      reproducesExactDiffs: false,
      maxDepth: MAX_DEPTH,
      mount: 'directory',
      keeps: parts.keeps,
      needs: [],
    }
  }

  async create(id: CacheID, options: DriverCreateOptions = {}): Promise<void> {
    await makeLayer(this.#parts, id, options.parent, options.parent, options)
  }

  async createReadWrite(id: CacheID, options: DriverCreateReadWriteOptions = {}): Promise<void> {
    const { parent, copyOf = parent, storageOptions = {} } = options
    refuseStorageOptions(id, storageOptions)
    await makeLayer(this.#parts, id, parent, copyOf, options)
  }

  async reset(id: CacheID, parent: CacheID | undefined, options: CallOptions = {}): Promise<void> {
    await resetLayer(this.#parts, id, parent, options)
  }

  async remove(id: CacheID, options: CallOptions = {}): Promise<void> {
    await removeLayer(this.#parts, id, options)
  }

  async exists(id: CacheID): Promise<boolean> {
    return isThere(this.#parts.home.layer(asCacheID(id)))
  }

  async *list(): AsyncIterable<CacheID> {
    yield* await layersIn(this.#parts.home.layers)
  }

  async mount(id: CacheID, options: MountOptions = {}): Promise<Mount> {
    const { readOnly = false } = options
    const path = await this.#find(id)
    if (options.keep) await this.#keep(id, readOnly)
    const used = this.#parts.mounts.use(id)
    return {
      path,
      readOnly,
      async [Symbol.asyncDispose]() {
        used[Symbol.dispose]()
      },
    }
  }

  async unmount(
    id: CacheID,
    options: CallOptions & { readonly readOnly?: boolean; readonly all?: boolean } = {},
  ): Promise<number> {
    const { home, mounts } = this.#parts
    const { readOnly = false, all = false } = options
    return onLayers(home, 'unmount', [id], () => mounts.unkeep(id, readOnly, all))
  }

  async kept(id: CacheID): Promise<readonly KeptMount[]> {
    await this.#find(id)
    return this.#parts.mounts.kept(id)
  }

  async applyDiff(
    id: CacheID,
    _parent: CacheID | undefined,
    tar: ByteSource,
    options: CallOptions = {},
  ): Promise<AppliedDiff> {
    return applyDiff(this.#parts, id, tar, options)
  }

  async replace(id: CacheID, by: CacheID): Promise<void> {
    await replaceLayer(this.#parts, id, by)
  }

  diff(id: CacheID, parent?: CacheID, options: CallOptions = {}): ReadableStream<Uint8Array> {
    return toStream(this.#diff(id, parent, options))
  }

  async *#diff(
    id: CacheID,
    parent: CacheID | undefined,
    options: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    const [upper, lower] = await this.#pair(id, parent)
    yield* writeDiff(upper, lower, { ...options, sys: this.#parts.sys })
  }

  async *changes(id: CacheID, parent?: CacheID, options: CallOptions = {}): AsyncIterable<Change> {
    const [upper, lower] = await this.#pair(id, parent)
    yield* changesBetween(upper, lower, { ...options, sys: this.#parts.sys })
  }

  async diffSize(id: CacheID, parent?: CacheID, options: CallOptions = {}): Promise<number> {
    const [upper, lower] = await this.#pair(id, parent)
    return diffSize(upper, lower, { ...options, sys: this.#parts.sys })
  }

  async files(id: CacheID): Promise<FileGetter> {
    return openFiles(await this.#find(id), { sys: this.#parts.sys })
  }

  async *verify(
    id: CacheID,
    tar: ByteSource,
    options: DriverVerifyOptions = {},
  ): AsyncIterable<string> {
    const { parent } = options
    const { owner, xattrs, devices } = this.capabilities.keeps
    yield* verifyTree(await this.#find(id), tar, {
      ...callOptions(options),
      ...(parent !== undefined && { lower: await this.#find(parent) }),
      sys: this.#parts.sys,
      foreign: this.#parts.isForeign,
      keepOwner: owner,
      // An ordinary user keeps some.
      keepXattrs: xattrs || process.geteuid?.() !== 0,
      keepDevices: devices,
    })
  }

  async sync(ids: readonly CacheID[]): Promise<void> {
    for (const id of ids) await this.#find(id)
    try {
      await this.#parts.trees.sync(this.#parts.home.layers, ids)
    } catch (error) {
      throw wrapError(error, `Cannot put ${ids.length} layers on stable storage`, { ids })
    }
  }

  async cleanup(): Promise<readonly string[]> {
    const { home, asides } = this.#parts
    try {
      const swept = await asides.sweep()
      return swept === 0 ? [] : [`files that ${swept} interrupted calls had set aside`]
    } catch (error) {
      throw wrapError(error, `Cannot clean up ${home.root}`)
    }
  }

  status(): Promise<Readonly<Record<string, string>>> {
    return statusOf(this.#parts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.asides[Symbol.asyncDispose]()
  }

  async #keep(id: CacheID, readOnly: boolean): Promise<void> {
    try {
      await using _lock = await this.#parts.mounts.lock()
      // It may have been removed since.
      await this.#find(id)
      await this.#parts.mounts.keep(id, readOnly)
    } catch (error) {
      throw wrapError(error, `Cannot keep a mount of layer ${id}`, { id })
    }
  }

  async #find(id: CacheID): Promise<string> {
    return findLayer(this.#parts.home, id)
  }

  async #pair(id: CacheID, parent?: CacheID): Promise<[string, string | undefined]> {
    return [await this.#find(id), parent === undefined ? undefined : await this.#find(parent)]
  }
}
