import { changesBetween, diffSize, writeDiff } from '@varve/archive'
import {
  type AppliedDiff,
  type ApplyDiffOptions,
  asCacheID,
  type ByteSource,
  type CacheID,
  type CallOptions,
  type Change,
  cleanUp,
  type Driver,
  type DriverCapabilities,
  type DriverCreateOptions,
  type DriverCreateReadWriteOptions,
  type KeptMount,
  LayerError,
  type Mount,
  type MountOptions,
  toStream,
  wrapError,
} from '@varve/core'
import { findLayer, isThere, layersIn, onLayers } from '@varve/trees'
import { differences } from './diff/differences.ts'
import { parentOf } from './home.ts'
import { checkImage } from './image/check-image.ts'
import { exactTar } from './image/exact-tar.ts'
import { syncLayers } from './image/sync-layer.ts'
import { wasWritten, writeImage } from './image/write-image.ts'
import { applyUpper } from './layers/apply-upper.ts'
import { isReadWrite } from './layers/chain.ts'
import { cleanUpHome } from './layers/cleanup.ts'
import { mountLayer, unmountLayer } from './layers/layer-mounts.ts'
import { makeLayer, makeUpper, makeWork } from './layers/make-layer.ts'
import { removeLayer } from './layers/remove-layer.ts'
import { replaceLayer } from './layers/replace-layer.ts'
import { copyUpper, resetLayer } from './layers/upper-state.ts'
import { mountingOf, type Parts } from './parts.ts'
import { statusOf } from './status.ts'

/** As in Docker's drivers; a chain of any depth is one mount. */
const MAX_DEPTH = 128

export class ErofsDriver implements Driver {
  readonly name = 'erofs'
  readonly capabilities: DriverCapabilities
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
    this.capabilities = {
      reproducesExactDiffs: true,
      maxDepth: MAX_DEPTH,
      mount: 'kernel',
      // An image holds everything; where nothing is mounted, nobody looks.
      keeps: parts.mounting?.features.keeps ?? { owner: true, xattrs: true, devices: true },
      needs: parts.mounting ? ['linux', 'root', 'ffi'] : [],
    }
  }

  async create(id: CacheID, options: DriverCreateOptions = {}): Promise<void> {
    const { parent } = options
    await this.#make(id, parent, async () => {})
  }

  async createReadWrite(id: CacheID, options: DriverCreateReadWriteOptions = {}): Promise<void> {
    const { home } = this.#parts
    const { parent, copyOf } = options
    const attempt = `Cannot create layer ${asCacheID(id)}`
    for (const option of Object.keys(options.storageOptions ?? {})) {
      throw new LayerError('ERR_NOT_SUPPORTED', `${attempt}: no option "${option}"`, {
        data: { id, option },
        hint: 'The erofs driver has no storage options; leave them out',
      })
    }
    const mounting = mountingOf(this.#parts, attempt)
    if (copyOf !== undefined) await this.#find(copyOf)
    await this.#make(id, parent, async () => {
      await makeWork(home, id)
      await makeUpper(mounting, home, home.diff(id), parent)
      if (copyOf !== undefined) await copyUpper(this.#parts, mounting, copyOf, id, options)
    })
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
    return (await this.#parts.mounting?.mounts.allKept(id)) ?? []
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
    options: ApplyDiffOptions = {},
  ): Promise<AppliedDiff> {
    const { home, cache, verity } = this.#parts
    await this.#find(id)
    if (await isReadWrite(home, id)) return applyUpper(this.#parts, id, tar, options)
    return writeImage(home, cache, verity, id, tar, options)
  }

  async replace(id: CacheID, by: CacheID, options: CallOptions = {}): Promise<void> {
    const parts = this.#parts
    await onLayers(parts.home, 'replace', [id, by], () => replaceLayer(parts, id, by, options))
  }

  diff(id: CacheID, parent?: CacheID, options: CallOptions = {}): ReadableStream<Uint8Array> {
    return toStream(this.#diff(id, parent, options))
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

  async *verify(id: CacheID): AsyncIterable<string> {
    await this.#find(id)
    const { home, sys } = this.#parts
    yield* checkImage(home, id, sys.native)
  }

  async sync(ids: readonly CacheID[]): Promise<void> {
    const { home, sys, trees } = this.#parts
    for (const id of ids) await this.#find(id)
    try {
      await syncLayers(home, sys, trees, ids)
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
    await this.#parts.mounting?.mounts.close()
    await this.#parts.mounting?.scratch[Symbol.asyncDispose]()
  }

  async *#diff(
    id: CacheID,
    parent: CacheID | undefined,
    options: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    const { home } = this.#parts
    await this.#find(id)
    const isExact = (await wasWritten(home, id)) && (await parentOf(home, id)) === parent
    if (isExact) yield* exactTar(home, id, options)
    else {
      yield* this.#differences(id, parent, options, ({ upper, lower, options: how }) =>
        writeDiff(upper, lower, how),
      )
    }
  }

  async *#differences<T>(
    ...[id, parent, options, compare]: Tail<Parameters<typeof differences<T>>>
  ): AsyncGenerator<T> {
    await this.#find(id)
    if (parent !== undefined) await this.#find(parent)
    yield* differences(this.#parts, id, parent, options, compare)
  }

  async #make(id: CacheID, parent: CacheID | undefined, fill: () => Promise<void>): Promise<void> {
    const { home } = this.#parts
    const attempt = `Cannot create layer ${asCacheID(id)}`
    if (parent !== undefined) await this.#find(parent)
    if (await isThere(home.layer(id))) {
      throw new LayerError('ERR_INVALID_ARGUMENT', `${attempt}: it exists already`, {
        data: { id },
      })
    }
    try {
      await makeLayer(home, id, parent)
      await fill()
    } catch (error) {
      throw await cleanUp(wrapError(error, attempt, { id, parent }), () => this.remove(id))
    }
  }

  async #find(id: CacheID): Promise<void> {
    await findLayer(this.#parts.home, id)
  }
}

type Tail<T extends readonly unknown[]> = T extends readonly [unknown, ...infer Rest] ? Rest : never
