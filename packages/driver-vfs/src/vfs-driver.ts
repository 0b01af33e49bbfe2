import { chmod, mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import {
  applyLayer,
  changesBetween,
  diffSize,
  openFiles,
  verifyTree,
  writeDiff,
} from '@varve/archive'
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
  type DriverVerifyOptions,
  type FileGetter,
  type KeptMount,
  LayerError,
  type Mount,
  type MountOptions,
  toStream,
  wrapError,
} from '@varve/core'
import type { Sys } from '@varve/sys'
import { type Aside, openAside, refuseMounted, sweepAside, type Trees } from '@varve/trees'
import { type Home, isThere, layersIn } from './home.ts'
import { inUse, LayerMounts } from './layer-mounts.ts'
import { fileSystemOf, probeReflink } from './probe.ts'

/** Docker sets no limit; neither is there one in the layout. As in its other drivers. */
const MAX_DEPTH = 128

export class VfsDriver implements Driver {
  readonly name = 'vfs'
  readonly capabilities: DriverCapabilities
  readonly #home: Home
  readonly #sys: Sys
  readonly #trees: Trees
  readonly #mounts: LayerMounts
  readonly #isForeign: boolean
  readonly #asides = new Set<Aside>()

  /** @param isForeign whether another tool makes the layers */
  constructor(
    home: Home,
    sys: Sys,
    trees: Trees,
    keeps: DriverCapabilities['keeps'],
    isForeign: boolean,
  ) {
    this.#isForeign = isForeign
    this.#home = home
    this.#sys = sys
    this.#trees = trees
    this.#mounts = new LayerMounts(home, sys)
    this.capabilities = {
      reproducesExactDiffs: false,
      maxDepth: MAX_DEPTH,
      mount: 'directory',
      keeps,
      needs: [],
    }
  }

  async create(id: CacheID, options: DriverCreateOptions = {}): Promise<void> {
    await this.#make(id, options.parent, options.parent, options)
  }

  /** @param from what it begins as a copy of */
  async #make(
    id: CacheID,
    parent: CacheID | undefined,
    from: CacheID | undefined,
    options: CallOptions,
  ): Promise<void> {
    const path = this.#home.layer(asCacheID(id))
    const attempt = `Cannot create layer ${id}`
    for (const needed of [parent, from]) if (needed !== undefined) await this.#find(needed)
    try {
      await mkdir(path, 0o755)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw wrapError(error, attempt)
      throw new LayerError('ERR_INVALID_ARGUMENT', `${attempt}: it exists already`, {
        cause: error,
        data: { id },
      })
    }
    try {
      await this.#fill(path, from, options)
    } catch (error) {
      throw await cleanUp(wrapError(error, attempt, { id, parent }), () => this.remove(id))
    }
  }

  async createReadWrite(id: CacheID, options: DriverCreateReadWriteOptions = {}): Promise<void> {
    // Docker's has one, a quota, on xfs only; a layer that ignored it would be worse than none.
    for (const option of Object.keys(options.storageOptions ?? {})) {
      throw new LayerError(
        'ERR_NOT_SUPPORTED',
        `Cannot create layer ${id}: no option "${option}"`,
        {
          data: { id, option },
          hint: 'The vfs driver has no storage options; leave them out or use another driver',
        },
      )
    }
    await this.#make(id, options.parent, options.copyOf ?? options.parent, options)
  }

  async #fill(path: string, from: CacheID | undefined, options: CallOptions): Promise<void> {
    if (from === undefined) await chmod(path, 0o755)
    else await this.#trees.copy(this.#home.layer(from), path, options)
  }

  /** Killed before the exchange it leaves the layer as it was, and after it as new. */
  async reset(id: CacheID, parent: CacheID | undefined, options: CallOptions = {}): Promise<void> {
    const path = await this.#find(id)
    if (parent !== undefined) await this.#find(parent)
    const attempt = `Cannot reset layer ${id}`
    try {
      await using aside = await this.#openAside()
      const fresh = join(aside.path, id)
      await mkdir(fresh, 0o755)
      await this.#fill(fresh, parent, options)
      await using _lock = await this.#mounts.lock()
      await this.#mounts.refuseKept(id, attempt)
      if (this.#mounts.isUsed(id)) throw inUse(id, path, attempt)
      await refuseMounted(path)
      this.#trees.exchange(path, fresh)
    } catch (error) {
      throw wrapError(error, attempt, { id })
    }
  }

  /**
   * A layer is first renamed into a directory of this process, so that one half deleted is never
   * taken for a layer; what a killed process left there is deleted by `cleanup`.
   */
  async remove(id: CacheID, options: CallOptions = {}): Promise<void> {
    const path = this.#home.layer(asCacheID(id))
    try {
      if (!(await isThere(path))) return
      await refuseMounted(path)
      await using aside = await this.#openAside()
      const removed = join(aside.path, id)
      {
        await using _lock = await this.#mounts.lock()
        await this.#mounts.refuseKept(id, `Cannot remove layer ${id}`)
        await rename(path, removed)
      }
      await this.#trees.remove(removed, options)
    } catch (error) {
      throw wrapError(error, `Cannot remove layer ${id}`, { id })
    }
  }

  async exists(id: CacheID): Promise<boolean> {
    return isThere(this.#home.layer(asCacheID(id)))
  }

  async *list(): AsyncIterable<CacheID> {
    yield* await layersIn(this.#home.layers)
  }

  async mount(id: CacheID, options: MountOptions = {}): Promise<Mount> {
    const { readOnly = false } = options
    const path = await this.#find(id)
    if (options.keep) await this.#keep(id, readOnly)
    const used = this.#mounts.use(id)
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
    await this.#find(id)
    const { readOnly = false, all = false } = options
    try {
      return await this.#mounts.unkeep(id, readOnly, all)
    } catch (error) {
      throw wrapError(error, `Cannot unmount layer ${id}`, { id })
    }
  }

  async kept(id: CacheID): Promise<readonly KeptMount[]> {
    await this.#find(id)
    return this.#mounts.kept(id)
  }

  async applyDiff(
    id: CacheID,
    _parent: CacheID | undefined,
    tar: ByteSource,
    options: CallOptions = {},
  ): Promise<AppliedDiff> {
    const path = await this.#find(id)
    const aside = await this.#openAside()
    try {
      const applied = await applyLayer(path, tar, {
        ...options,
        sys: this.#sys,
        asideDir: aside.path,
        keepOwner: this.capabilities.keeps.owner,
      })
      return {
        size: applied.size,
        displaced: applied.displaced,
        async [Symbol.asyncDispose]() {
          await applied[Symbol.asyncDispose]()
          await aside[Symbol.asyncDispose]()
        },
      }
    } catch (error) {
      throw await cleanUp(error, () => aside[Symbol.asyncDispose]())
    }
  }

  /** Layers that stand on it are copies, which have nothing to do with it any more. */
  async replace(id: CacheID, by: CacheID): Promise<void> {
    const paths = [await this.#find(id), await this.#find(by)] as const
    const attempt = `Cannot replace layer ${id}`
    try {
      await using _lock = await this.#mounts.lock()
      for (const [at, each] of [id, by].entries()) {
        const path = paths[at] as string
        await this.#mounts.refuseKept(each, attempt)
        if (this.#mounts.isUsed(each)) throw inUse(each, path, attempt)
        await refuseMounted(path)
      }
      this.#trees.exchange(...paths)
    } catch (error) {
      throw wrapError(error, attempt, { id, by })
    }
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
    yield* writeDiff(upper, lower, { ...options, sys: this.#sys })
  }

  async *changes(id: CacheID, parent?: CacheID, options: CallOptions = {}): AsyncIterable<Change> {
    const [upper, lower] = await this.#pair(id, parent)
    yield* changesBetween(upper, lower, { ...options, sys: this.#sys })
  }

  async diffSize(id: CacheID, parent?: CacheID, options: CallOptions = {}): Promise<number> {
    const [upper, lower] = await this.#pair(id, parent)
    return diffSize(upper, lower, { ...options, sys: this.#sys })
  }

  async files(id: CacheID): Promise<FileGetter> {
    return openFiles(await this.#find(id), { sys: this.#sys })
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
      sys: this.#sys,
      foreign: this.#isForeign,
      keepOwner: owner,
      // An ordinary user keeps some.
      keepXattrs: xattrs || process.geteuid?.() !== 0,
      keepDevices: devices,
    })
  }

  async sync(ids: readonly CacheID[]): Promise<void> {
    for (const id of ids) await this.#find(id)
    try {
      await this.#trees.sync(this.#home.layers, ids)
    } catch (error) {
      throw wrapError(error, `Cannot put ${ids.length} layers on stable storage`, { ids })
    }
  }

  async cleanup(): Promise<readonly string[]> {
    const { aside } = this.#home
    try {
      const swept = await sweepAside(aside, this.#sys, (path) => this.#trees.remove(path))
      return swept === 0 ? [] : [`files that ${swept} interrupted calls had set aside`]
    } catch (error) {
      throw wrapError(error, `Cannot clean up ${this.#home.root}`)
    }
  }

  async status(): Promise<Readonly<Record<string, string>>> {
    const { limits } = this.#sys
    return {
      // As Docker's drivers call it.
      'Backing Filesystem': await fileSystemOf(this.#home.layers),
      'Shared Blocks': await this.#sharesBlocks(),
      ...(limits.length > 0 ? { Limits: limits.join('; ') } : {}),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const asides = [...this.#asides]
    this.#asides.clear()
    for (const aside of asides) await aside[Symbol.asyncDispose]()
  }

  async #sharesBlocks(): Promise<string> {
    const { native } = this.#sys
    if (!native) return 'unknown'
    try {
      await using aside = await this.#openAside()
      return probeReflink(native, aside.path) ? 'yes' : 'no'
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EROFS') return 'no'
      throw wrapError(error, 'Cannot try out the file system')
    }
  }

  /** A directory for what belongs to no layer, gone with this driver at the latest. */
  async #openAside(): Promise<Aside> {
    const remove = (path: string) => this.#trees.remove(path)
    const aside = await openAside(this.#home.aside, this.#sys, remove)
    this.#asides.add(aside)
    return {
      path: aside.path,
      [Symbol.asyncDispose]: async () => {
        if (this.#asides.delete(aside)) await aside[Symbol.asyncDispose]()
      },
    }
  }

  async #keep(id: CacheID, readOnly: boolean): Promise<void> {
    try {
      await using _lock = await this.#mounts.lock()
      // It may have been removed since.
      await this.#find(id)
      await this.#mounts.keep(id, readOnly)
    } catch (error) {
      throw wrapError(error, `Cannot keep a mount of layer ${id}`, { id })
    }
  }

  async #find(id: CacheID): Promise<string> {
    const path = this.#home.layer(asCacheID(id))
    if (await isThere(path)) return path
    throw new LayerError('ERR_LAYER_NOT_FOUND', `Cannot find layer ${id}`, { data: { id } })
  }

  async #pair(id: CacheID, parent?: CacheID): Promise<[string, string | undefined]> {
    return [await this.#find(id), parent === undefined ? undefined : await this.#find(parent)]
  }
}
