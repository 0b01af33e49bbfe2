import {
  type AppliedDiff,
  asCacheID,
  type ByteSource,
  type CacheID,
  type CallOptions,
  type Change,
  checkAborted,
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
} from '@varve/core'
import { applyTo } from './apply.ts'
import {
  changesOf,
  comparison,
  type Difference,
  differences,
  sizeOf,
  tarOfDifferences,
} from './compare.ts'
import { TreeDirectory } from './directory.ts'
import { filesOf } from './files.ts'
import { hide, type MemoryLayer, type MemoryLayers, memoryLayers, takeBack } from './layers.ts'
import { Tee } from './tee.ts'
import { copyTree, type Node, newNode } from './tree.ts'

/** How {@link memoryDriver} works. */
export interface MemoryDriverOptions {
  /** Keep the tars themselves, so that the store needs no codec. Default true. */
  readonly exactDiffs?: boolean
  /** Layers shared with other instances; by default its own. See {@link memoryLayers}. */
  readonly layers?: MemoryLayers
  /** Capabilities to claim instead of the real ones. */
  readonly capabilities?: Partial<DriverCapabilities>
}

/** A driver whose layers can be altered behind its back. */
export interface MemoryDriver extends Driver {
  /** Changes the files of a finished layer, as a bad disk or a careless administrator does. */
  alter(id: CacheID, change: (path: string) => Promise<void>): Promise<void>
}

/**
 * A driver that keeps trees in memory: the shortest code that fulfils the contract, to compare
 * others with and to test stores on. A mounted layer is written to a temporary directory, and what
 * changes there is taken back; devices and pipes are kept but not shown there.
 *
 * @example
 * ```ts
 * import { newCacheID } from '@varve/core'
 * import { memoryDriver, tarOf } from '@varve/testkit'
 *
 * await using driver = memoryDriver()
 * const id = newCacheID()
 * await driver.create(id)
 * await using applied = await driver.applyDiff(id, undefined, [tarOf([{ name: 'a', data: 'hi' }])])
 * console.assert(applied.size === 2)
 * ```
 */
export function memoryDriver(options: MemoryDriverOptions = {}): MemoryDriver {
  return new Memory(options)
}

class Memory implements MemoryDriver {
  readonly name = 'memory'
  readonly capabilities: DriverCapabilities
  readonly #layers: Map<CacheID, MemoryLayer>
  readonly #exact: boolean
  /** Mounts that this instance gave out and nobody has given back. */
  readonly #open = new Set<Mount>()

  constructor({ exactDiffs = true, layers = memoryLayers(), capabilities }: MemoryDriverOptions) {
    if (!(layers instanceof Map)) throw new TypeError('layers must come from memoryLayers()')
    this.#layers = layers
    this.#exact = exactDiffs
    this.capabilities = {
      reproducesExactDiffs: exactDiffs,
      maxDepth: 1024,
      mount: 'directory',
      keeps: { owner: true, xattrs: true, devices: true },
      needs: [],
      ...capabilities,
    }
  }

  async create(id: CacheID, options: DriverCreateOptions = {}): Promise<void> {
    await this.#make(id, options.parent, false)
  }

  async createReadWrite(id: CacheID, options: DriverCreateReadWriteOptions = {}): Promise<void> {
    for (const option of Object.keys(options.storageOptions ?? {})) {
      throw new LayerError('ERR_NOT_SUPPORTED', `Cannot create a layer: no option "${option}" here`)
    }
    const { parent, copyOf } = options
    const copied = copyOf === undefined ? undefined : this.#get(copyOf)
    if (copied) await takeBack(copied)
    await this.#make(id, parent, true)
    if (copied) this.#get(id).root = copyTree(copied.root)
  }

  async reset(id: CacheID, parent: CacheID | undefined): Promise<void> {
    const layer = this.#get(id)
    if (layer.mounts > 0) {
      throw new LayerError('ERR_MOUNT_IN_USE', `Cannot reset layer ${id}: it is mounted`)
    }
    layer.root = this.#base(parent)
  }

  async remove(id: CacheID): Promise<void> {
    const layer = this.#layers.get(id)
    if (layer?.kept.some((count) => count > 0)) {
      throw new LayerError('ERR_MOUNT_IN_USE', `Cannot remove layer ${id}: it is kept mounted`)
    }
    this.#layers.delete(id)
    await (await layer?.shown)?.remove()
  }

  async exists(id: CacheID): Promise<boolean> {
    return this.#layers.has(id)
  }

  async *list(): AsyncIterable<CacheID> {
    yield* [...this.#layers.keys()]
  }

  async mount(id: CacheID, options: MountOptions = {}): Promise<Mount> {
    const layer = this.#get(id)
    layer.mounts++
    layer.shown ??= TreeDirectory.create(layer.root)
    const shown = await layer.shown
    const mount: Mount = {
      path: shown.path,
      readOnly: options.readOnly ?? false,
      [Symbol.asyncDispose]: async () => {
        if (this.#open.delete(mount)) await this.#leave(id, layer)
      },
    }
    this.#open.add(mount)
    if (options.keep) {
      layer.mounts++
      layer.kept[options.readOnly ? 1 : 0]++
    }
    return mount
  }

  async unmount(
    id: CacheID,
    options: { readonly readOnly?: boolean; readonly all?: boolean } = {},
  ): Promise<number> {
    const layer = this.#get(id)
    const kind = options.readOnly ? 1 : 0
    const count = layer.kept[kind]
    if (count === 0) {
      throw new LayerError('ERR_MOUNT_NOT_FOUND', `Cannot unmount layer ${id}: it is not kept`)
    }
    layer.kept[kind] = options.all ? 0 : count - 1
    for (let i = layer.kept[kind]; i < count; i++) await this.#leave(id, layer)
    return layer.kept[kind]
  }

  async kept(id: CacheID): Promise<readonly KeptMount[]> {
    const layer = this.#get(id)
    const path = (await layer.shown)?.path ?? ''
    return layer.kept
      .map((count, kind) => ({ path, readOnly: kind === 1, count }))
      .filter(({ count }) => count > 0)
  }

  async applyDiff(
    id: CacheID,
    _parent: CacheID | undefined,
    tar: ByteSource,
    options: CallOptions = {},
  ): Promise<AppliedDiff> {
    const layer = this.#get(id)
    checkAborted(options.signal, 'Cannot apply a layer')
    await takeBack(layer)
    const root = copyTree(layer.root)
    const kept = this.#exact && !layer.readWrite ? new Tee(tar) : undefined
    const applied = await applyTo(root, kept ?? tar, options)
    if (kept) layer.tar = await kept.all()
    layer.root = root
    await (await layer.shown)?.write(root)
    return { ...applied, [Symbol.asyncDispose]: async () => {} }
  }

  diff(id: CacheID, parent?: CacheID, options: CallOptions = {}): ReadableStream<Uint8Array> {
    return toStream(this.#diff(id, parent, options))
  }

  async *changes(id: CacheID, parent?: CacheID, options: CallOptions = {}): AsyncIterable<Change> {
    for (const change of changesOf(await this.#compare(id, parent))) {
      checkAborted(options.signal, 'Cannot list changes')
      yield change
    }
  }

  async diffSize(id: CacheID, parent?: CacheID): Promise<number> {
    return sizeOf(await this.#compare(id, parent))
  }

  async files(id: CacheID): Promise<FileGetter> {
    return filesOf(this.#get(id).root)
  }

  async *verify(id: CacheID, tar: ByteSource, options: CallOptions = {}): AsyncIterable<string> {
    const layer = this.#get(id)
    const wanted = this.#base(layer.parent)
    await applyTo(wanted, tar, options)
    yield* comparison(wanted, layer.root)
  }

  async sync(ids: readonly CacheID[]): Promise<void> {
    for (const id of ids) this.#get(id)
  }

  async cleanup(): Promise<readonly string[]> {
    return []
  }

  async status(): Promise<Readonly<Record<string, string>>> {
    return { Layers: String(this.#layers.size) }
  }

  async alter(id: CacheID, change: (path: string) => Promise<void>): Promise<void> {
    const layer = this.#get(id)
    const directory = await TreeDirectory.create(layer.root)
    try {
      await change(directory.path)
      layer.root = await directory.read(layer.root)
    } finally {
      await directory.remove()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mount of [...this.#open]) await mount[Symbol.asyncDispose]()
  }

  async #make(id: CacheID, parent: CacheID | undefined, readWrite: boolean): Promise<void> {
    asCacheID(id)
    if (this.#layers.has(id)) {
      throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot create layer ${id}: it exists already`)
    }
    const above = parent === undefined ? undefined : this.#layers.get(parent)
    if (above) await takeBack(above)
    this.#layers.set(id, { root: this.#base(parent), parent, readWrite, mounts: 0, kept: [0, 0] })
  }

  /** A copy of what a layer on `parent` begins with. */
  #base(parent: CacheID | undefined): Node {
    return parent === undefined ? newNode('dir', 0o755) : copyTree(this.#get(parent).root)
  }

  #get(id: CacheID): MemoryLayer {
    const layer = this.#layers.get(id)
    if (layer) return layer
    throw new LayerError('ERR_LAYER_NOT_FOUND', `Cannot find layer ${id}`, { data: { id } })
  }

  /** The last user takes what is shown away. */
  async #leave(id: CacheID, layer: MemoryLayer): Promise<void> {
    if (--layer.mounts > 0 || !this.#layers.has(id)) return
    await hide(layer)
  }

  async #compare(id: CacheID, parent: CacheID | undefined): Promise<Difference[]> {
    const layer = this.#get(id)
    await takeBack(layer)
    return differences(this.#base(parent), layer.root)
  }

  async *#diff(
    id: CacheID,
    parent: CacheID | undefined,
    options: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    const layer = this.#get(id)
    const tar =
      layer.tar && layer.parent === parent
        ? layer.tar
        : tarOfDifferences(await this.#compare(id, parent))
    for (let at = 0; at < tar.length; at += 65_536) {
      checkAborted(options.signal, 'Cannot read a layer')
      yield tar.subarray(at, at + 65_536)
    }
  }
}
