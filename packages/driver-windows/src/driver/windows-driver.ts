import { createHash } from 'node:crypto'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { openFiles, writeDiff } from '@varve/archive'
import {
  type AppliedDiff,
  asCacheID,
  type ByteSource,
  type CacheID,
  type CallOptions,
  type Change,
  checkAborted,
  cleanUp,
  type Driver,
  type DriverCapabilities,
  type DriverCreateOptions,
  type DriverCreateReadWriteOptions,
  type FileGetter,
  LayerError,
  type Mount,
  type MountOptions,
  toStream,
} from '@varve/core'
import type { Sys, WinFs } from '@varve/sys'
import { type Aside, openAside, sweepAside, type Trees } from '@varve/trees'
import { exportTar } from '../layer/export-tar.ts'
import {
  type LayerItem,
  readBaseLayer,
  readByStreaming,
  readByTransport,
  readWhole,
} from '../layer/layer-reader.ts'
import type { UpperPlace } from '../layer/upper-writer.ts'
import { changesOf } from './changes.ts'
import { wrapHcs } from './errors.ts'
import { holdPrivileges } from './hold-privileges.ts'
import { isThere, REMOVING } from './home.ts'
import type { Importer } from './importer.ts'
import { layerFiles } from './layer-files.ts'
import { LayerUse } from './layer-use.ts'
import type { Service } from './service.ts'
import { sandboxSizeOf } from './storage-options.ts'

/** As in Docker's other drivers. */
const MAX_DEPTH = 128
/** Attempts to rename a layer that something still looks into (moby). */
const ERROR_CODES_OF_BUSY: ReadonlySet<string> = new Set(['EPERM', 'EBUSY', 'EACCES'])

/** A base image that every layer of this machine may stand on. */
export interface BaseImage {
  readonly id: CacheID
  readonly name: string
  readonly version: string
  readonly path: string
  readonly size: number
  /** As the service says it. */
  readonly createdTime: string
}

/** A {@link Driver} of Windows layers, and what only Windows has. */
export interface WindowsDriver extends Driver {
  files(id: CacheID): Promise<FileGetter>
  /**
   * Makes the base images that come with the system known as layers, and lists them: Docker 1.11's
   * `GetCustomImageInfos`.
   */
  baseImages(): Promise<readonly BaseImage[]>
}

/** What {@link WindowsLayerDriver} is made of. */
export interface DriverParts {
  readonly service: Service
  readonly fs: WinFs
  readonly sys: Sys
  readonly trees: Trees
  readonly importer: Importer
  readonly compat: 'v1.11' | 'current'
  readonly flavour: 'filter' | 'diff'
}

/** Docker's `windowsfilter`, and `windowsdiff` of before 2016. */
export class WindowsLayerDriver implements WindowsDriver {
  readonly name: string
  readonly capabilities: DriverCapabilities
  readonly #parts: DriverParts
  readonly #uses = new Map<string, LayerUse>()
  readonly #asides = new Set<Aside>()

  constructor(parts: DriverParts) {
    this.#parts = parts
    this.name = `windows${parts.flavour}`
    const emulated = parts.service.hcs.kind === 'directories'
    this.capabilities = {
      reproducesExactDiffs: false,
      maxDepth: MAX_DEPTH,
      // Also in an imitation a layer needs the files of those beneath it.
      mount: 'kernel',
      keeps: { owner: false, xattrs: false, devices: false },
      needs: emulated ? [] : ['win32', 'root', 'ffi'],
    }
  }

  async create(id: CacheID, options: DriverCreateOptions = {}): Promise<void> {
    const { service } = this.#parts
    const parent = options.parent ?? ''
    await this.#create(id, parent, async () => {
      const below = await service.home.resolve(parent)
      let chain = await service.home.chain(below)
      if (below !== '') chain = [await service.mountPath(below), ...chain]
      await service.createLayer(id, below)
      return chain
    })
  }

  async createReadWrite(id: CacheID, options: DriverCreateReadWriteOptions = {}): Promise<void> {
    const { service, compat } = this.#parts
    const { parent = '', storageOptions, copyOf } = options
    if (copyOf !== undefined) {
      await this.#find(copyOf)
      throw new LayerError(
        'ERR_NOT_SUPPORTED',
        `Cannot create layer ${id} as a copy of ${copyOf}`,
        {
          data: { id, copyOf },
          hint: 'Commit the layer and make a new one on it',
        },
      )
    }
    const size = sandboxSizeOf(storageOptions)
    await this.#create(id, parent, async () => {
      const below = await service.home.resolve(parent)
      const chain = await service.home.chain(below)
      // A read-write layer, Docker's init layer for one, has no files that others could stand on.
      if (below !== '' && (await isThere(join(service.home.dir(below), 'Files')))) {
        chain.unshift(await service.mountPath(below))
      }
      if (chain.length === 0 && below !== '' && !(await service.home.has(below))) {
        throw notFound(below)
      }
      if (chain.length === 0) {
        throw new LayerError(
          'ERR_NOT_SUPPORTED',
          `Cannot create read-write layer ${id}: it needs a parent with files`,
          { data: { id }, hint: 'Windows has no read-write layer but on a base image' },
        )
      }
      await service.createSandbox(id, compat === 'v1.11' ? chain[0] : undefined, chain)
      if (compat === 'current' || storageOptions !== undefined) await service.expand(id, size)
      return chain
    })
  }

  /** The frame of both: what was begun is destroyed when it fails. */
  async #create(
    id: CacheID,
    parent: CacheID | '',
    make: () => Promise<readonly string[]>,
  ): Promise<void> {
    const { service } = this.#parts
    const attempt = `Cannot create layer ${asCacheID(id)}`
    const data = { id, ...(parent === '' ? {} : { parent: asCacheID(parent) }) }
    if (await service.home.has(id)) {
      throw new LayerError('ERR_INVALID_ARGUMENT', `${attempt}: it exists already`, { data })
    }
    try {
      const chain = await make()
      // Somebody may have removed the parent meanwhile.
      if (parent !== '' && !(await service.home.has(parent))) throw notFound(parent)
      await service.home.setChain(id, chain)
    } catch (error) {
      throw await cleanUp(wrapHcs(error, attempt, data), async () => {
        if (await service.home.has(id)) await service.destroy(id)
      })
    }
  }

  async remove(id: CacheID, _options: CallOptions = {}): Promise<void> {
    const { service, compat } = this.#parts
    asCacheID(id)
    const { home } = service
    const attempt = `Cannot remove layer ${id}`
    if (this.#uses.get(id)?.inUse) {
      throw new LayerError('ERR_MOUNT_IN_USE', `${attempt}: it is mounted`, {
        data: { id },
        hint: 'Unmount it, then remove the layer again',
      })
    }
    if (!(await home.has(id))) return
    try {
      const name = await home.resolve(id)
      if (compat === 'v1.11') {
        await rm(join(home.root, 'sysfile-backups', name), { recursive: true, force: true })
        await service.destroy(name)
        if (name !== id) await rm(home.dir(id), { recursive: true, force: true })
      } else {
        // Renamed first, so that one half deleted is never taken for a layer.
        await this.#setAside(home.dir(id), home.dir(id + REMOVING))
        await service.destroy(id + REMOVING)
      }
      this.#uses.delete(id)
    } catch (error) {
      throw wrapHcs(error, attempt, { id })
    }
  }

  async #setAside(from: string, to: string): Promise<void> {
    await rm(to, { recursive: true, force: true })
    try {
      await rename(from, to)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? ''
      const disk = join(from, 'sandbox.vhdx')
      if (!ERROR_CODES_OF_BUSY.has(code) || !(await isThere(disk))) throw error
      // A dead owner's disk is still attached.
      await this.#parts.service.detach(disk)
      await rename(from, to)
    }
  }

  async exists(id: CacheID): Promise<boolean> {
    const { service } = this.#parts
    const name = await service.home.resolve(asCacheID(id))
    return await service.exists(name)
  }

  async *list(): AsyncIterable<CacheID> {
    yield* await this.#parts.service.home.list()
  }

  async mount(id: CacheID, options: MountOptions = {}): Promise<Mount> {
    if (options.keep) {
      throw new LayerError('ERR_NOT_SUPPORTED', `Cannot keep layer ${id} mounted`, {
        data: { id },
        hint: 'Windows layers are mounted as long as the process lives that wants them',
      })
    }
    await this.#find(id)
    const attempt = `Cannot mount layer ${id}`
    checkAborted(options.signal, attempt)
    const use = this.#use(id)
    let path: string
    try {
      path = await use.mount()
    } catch (error) {
      throw wrapHcs(error, attempt, { id })
    }
    let held = true
    return {
      path,
      readOnly: options.readOnly ?? false,
      async [Symbol.asyncDispose]() {
        if (!held) return
        try {
          await use.unmount()
          held = false
        } catch (error) {
          throw wrapHcs(error, `Cannot unmount layer ${id}`, { id })
        }
      },
    }
  }

  async applyDiff(
    id: CacheID,
    parent: CacheID | undefined,
    tar: ByteSource,
    options: CallOptions = {},
  ): Promise<AppliedDiff> {
    const { service, importer, flavour } = this.#parts
    const attempt = `Cannot apply layer ${id}`
    await this.#find(id)
    if (await isThere(join(service.home.dir(id), 'sandbox.vhdx'))) {
      throw new LayerError('ERR_NOT_SUPPORTED', `${attempt}: it is a read-write layer`, {
        data: { id },
      })
    }
    const aside = await this.#openAside()
    try {
      const chain = flavour === 'filter' ? await this.#chainOn(parent) : []
      const imported = await importer(id, chain, tar, aside.path, options)
      if (flavour === 'filter') await service.home.setChain(id, chain)
      return {
        size: imported.size,
        displaced: imported.displaced,
        [Symbol.asyncDispose]: () => aside[Symbol.asyncDispose](),
      }
    } catch (error) {
      throw await cleanUp(wrapHcs(error, attempt, { id }), () => aside[Symbol.asyncDispose]())
    }
  }

  diff(id: CacheID, parent?: CacheID, options: CallOptions = {}): ReadableStream<Uint8Array> {
    return toStream(this.#diff(id, parent, options))
  }

  async *#diff(
    id: CacheID,
    parent: CacheID | undefined,
    { signal }: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    const attempt = `Cannot give layer ${id} as a tar`
    try {
      const tar = this.#parts.service.hcs.tp4
        ? this.#plainTar(id, parent)
        : exportTar(this.#items(id, parent))
      for await (const bytes of tar) {
        checkAborted(signal, attempt)
        yield bytes
      }
    } catch (error) {
      throw wrapHcs(error, attempt, { id })
    }
  }

  async *changes(id: CacheID, parent?: CacheID, options: CallOptions = {}): AsyncIterable<Change> {
    const attempt = `Cannot tell what layer ${id} changes`
    checkAborted(options.signal, attempt)
    try {
      const items = this.#items(id, parent)
      const below = parent === undefined ? undefined : await this.#folderOf(parent)
      await using root = below === undefined ? undefined : await this.#parts.fs.openRoot(below)
      yield* await changesOf(items, root)
    } catch (error) {
      throw wrapHcs(error, attempt, { id })
    }
  }

  async diffSize(id: CacheID, parent?: CacheID, options: CallOptions = {}): Promise<number> {
    const attempt = `Cannot measure layer ${id}`
    let size = 0
    try {
      for await (const { file } of this.#items(id, parent)) {
        checkAborted(options.signal, attempt)
        size += file?.size ?? 0
      }
      return size
    } catch (error) {
      throw wrapHcs(error, attempt, { id })
    }
  }

  /** What is different, while the layer is as the service wants it for that. */
  async *#items(id: CacheID, parent: CacheID | undefined): AsyncGenerator<LayerItem> {
    const { service, fs } = this.#parts
    await this.#find(id)
    const name = await service.home.resolve(id)
    const chain = await this.#chainFrom(name, parent)
    const isWritable = await isThere(join(service.home.dir(name), 'sandbox.vhdx'))
    const use = this.#use(id)
    await use.beginReading()
    let failure: unknown
    try {
      // Whoever may not read a file may still back it up.
      await using _ = await holdPrivileges(service.privileges, ['SeBackupPrivilege'])
      await using root = await fs.openRoot(service.home.dir(name))
      if (isWritable && parent === undefined) {
        const place = await service.place(name, await service.home.chain(name), root)
        yield* readWhole(place, () => this.#readUpper(place))
      } else if (chain.length === 0) {
        yield* readBaseLayer(root)
      } else {
        yield* this.#readUpper(await service.place(name, chain, root))
      }
    } catch (error) {
      failure = error
      throw error
    } finally {
      // Behind the last byte, as the layer may not be shown while it is read.
      await endReading(use, failure)
    }
  }

  /** The fourth preview's tar: of the folder that it exports, as of any other. */
  async *#plainTar(id: CacheID, parent: CacheID | undefined): AsyncGenerator<Uint8Array> {
    await this.#find(id)
    const use = this.#use(id)
    await use.beginReading()
    let failure: unknown
    try {
      await using folder = await this.#exported(id, parent)
      yield* writeDiff(folder.path)
    } catch (error) {
      failure = error
      throw error
    } finally {
      await endReading(use, failure)
    }
  }

  /** A folder with what the service exports of a layer. */
  async #exported(
    id: CacheID,
    parent: CacheID | undefined,
  ): Promise<AsyncDisposable & { readonly path: string }> {
    const { service, fs } = this.#parts
    const name = await service.home.resolve(id)
    const path = await mkdtemp(join(tmpdir(), 'hcs'))
    const remove = () => rm(path, { recursive: true, force: true })
    try {
      await using root = await fs.openRoot(service.home.dir(name))
      const chain =
        parent === undefined ? await service.home.chain(name) : await this.#chainFrom(name, parent)
      const { hcs, info, id: whole, chain: layers } = await service.place(name, chain, root)
      await hcs.exportLayer(info, whole, path, layers)
      return { path, [Symbol.asyncDispose]: remove }
    } catch (error) {
      throw await cleanUp(error, remove)
    }
  }

  #readUpper(place: UpperPlace): AsyncIterable<LayerItem> {
    const { compat, service } = this.#parts
    const streams = compat === 'v1.11' && service.hcs.exportLayerBegin !== undefined
    return streams ? readByStreaming(place) : readByTransport(place)
  }

  async files(id: CacheID): Promise<FileGetter> {
    await this.#find(id)
    const { service, fs, sys } = this.#parts
    const name = await service.home.resolve(id)
    if (service.hcs.tp4) {
      // What its tar holds is not what the layer's folder holds.
      const folder = await this.#exported(id, undefined)
      const files = openFiles(folder.path, { sys })
      return {
        open: (file, size) => files.open(file, size),
        async [Symbol.asyncDispose]() {
          await files[Symbol.asyncDispose]()
          await folder[Symbol.asyncDispose]()
        },
      }
    }
    return await layerFiles(service.home.dir(name), fs, service.privileges)
  }

  async sync(ids: readonly CacheID[]): Promise<void> {
    for (const id of ids) await this.#find(id)
    try {
      await this.#parts.trees.sync(this.#parts.service.home.root, ids)
    } catch (error) {
      throw wrapHcs(error, `Cannot put ${ids.length} layers on stable storage`, { ids })
    }
  }

  async cleanup(): Promise<readonly string[]> {
    const { service, sys, trees } = this.#parts
    const done: string[] = []
    try {
      for (const name of await service.home.removing()) {
        await service.destroy(name)
        done.push(`layer ${name.slice(0, -REMOVING.length)}, half removed`)
      }
      const swept = await sweepAside(service.home.aside, sys, (path) => trees.remove(path))
      if (swept > 0) done.push(`files that ${swept} interrupted calls had set aside`)
      return done
    } catch (error) {
      throw wrapHcs(error, `Cannot clean up ${service.home.root}`)
    }
  }

  async status(): Promise<Readonly<Record<string, string>>> {
    const { service, fs } = this.#parts
    const { hcs, home } = service
    return {
      // Docker's only line.
      Windows: '',
      Service: hcs.kind === 'windows' ? 'host compute service' : 'imitated in directories',
      'Backing Filesystem': (await fs.fileSystemOf(home.root)) ?? 'unknown',
    }
  }

  async baseImages(): Promise<readonly BaseImage[]> {
    const { service } = this.#parts
    const attempt = 'Cannot list the base images of this machine'
    try {
      const images: BaseImage[] = []
      for (const image of parseImages(await service.hcs.getBaseImages())) {
        const folder = basename(image.path.replaceAll('\\', '/'))
        const digest = createHash('sha384').update(folder).digest('hex')
        const id = asCacheID(digest.slice(0, 64))
        if (!(await service.home.has(id))) {
          await this.create(id)
          await service.home.setAlias(id, folder)
        }
        images.push({ ...image, id })
      }
      return images
    } catch (error) {
      throw wrapHcs(error, attempt)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const asides = [...this.#asides]
    this.#asides.clear()
    for (const aside of asides) await aside[Symbol.asyncDispose]()
  }

  /** A directory for payloads, gone with this driver at the latest. */
  async #openAside(): Promise<Aside> {
    const { service, sys, trees } = this.#parts
    const aside = await openAside(service.home.aside, sys, (path) => trees.remove(path))
    this.#asides.add(aside)
    return {
      path: aside.path,
      [Symbol.asyncDispose]: async () => {
        if (this.#asides.delete(aside)) await aside[Symbol.asyncDispose]()
      },
    }
  }

  /** Folders beneath a layer on `parent`; without one it is a base layer, and nothing is asked. */
  async #chainOn(parent: CacheID | undefined): Promise<string[]> {
    const { service } = this.#parts
    if (parent === undefined) return []
    const below = await service.home.resolve(parent)
    const chain = await service.home.chain(below)
    return [await service.mountPath(below), ...chain]
  }

  /** The part of a layer's chain from an ancestor on; nothing, to see all that is in the layer. */
  async #chainFrom(name: string, ancestor: CacheID | undefined): Promise<string[]> {
    if (ancestor === undefined) return []
    const { service } = this.#parts
    const chain = await service.home.chain(name)
    const folder = await this.#folderOf(ancestor)
    const at = chain.indexOf(folder)
    if (at >= 0) return chain.slice(at)
    // On a read-write layer: both stand on the same.
    const own = await service.home.chain(await service.home.resolve(ancestor))
    if (own.length === chain.length && own.every((path, i) => path === chain[i])) return chain
    throw new LayerError(
      'ERR_INVALID_ARGUMENT',
      `Cannot compare ${name}: it does not stand on ${ancestor}`,
      { data: { id: name, ancestor } },
    )
  }

  async #folderOf(id: CacheID): Promise<string> {
    await this.#find(id)
    const { home } = this.#parts.service
    return home.dir(await home.resolve(id))
  }

  #use(id: CacheID): LayerUse {
    const known = this.#uses.get(id)
    if (known) return known
    const { service } = this.#parts
    const use = new LayerUse(service.transitions(id))
    this.#uses.set(id, use)
    return use
  }

  async #find(id: CacheID): Promise<void> {
    if (!(await this.#parts.service.home.has(asCacheID(id)))) throw notFound(id)
  }
}

async function endReading(use: LayerUse, failure: unknown): Promise<void> {
  if (failure === undefined) {
    await use.endReading()
    return
  }
  const error = await cleanUp(failure, () => use.endReading())
  if (error !== failure) throw error
}

function notFound(id: string): LayerError {
  return new LayerError('ERR_LAYER_NOT_FOUND', `Cannot find layer ${id}`, { data: { id } })
}

/** @throws LayerError `ERR_CORRUPT_METADATA` if the service said something else */
function parseImages(json: string): Omit<BaseImage, 'id'>[] {
  try {
    const { Images } = JSON.parse(json) as { Images: Record<string, unknown>[] | null }
    return (Images ?? []).map((image) => ({
      name: String(image.Name ?? ''),
      version: String(image.Version ?? ''),
      path: String(image.Path),
      size: Number(image.Size ?? 0),
      createdTime: String(image.CreatedTime ?? ''),
    }))
  } catch (cause) {
    throw new LayerError('ERR_CORRUPT_METADATA', 'Cannot read the list of base images', { cause })
  }
}
