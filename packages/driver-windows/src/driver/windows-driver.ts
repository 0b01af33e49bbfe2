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
  type DriverVerifyOptions,
  type FileGetter,
  type Mount,
  type MountOptions,
  toStream,
} from '@varve/core'
import type { WinRoot } from '@varve/sys'
import { exportTar } from '../layer/export-tar.ts'
import { applyDiff } from './apply/apply-diff.ts'
import { type BaseImage, knowBaseImages } from './base-images.ts'
import { changesOf } from './diff/changes.ts'
import { exportedFiles, exportedTar } from './diff/exported-folder.ts'
import { layerFiles } from './diff/layer-files.ts'
import { layerItems } from './diff/layer-items.ts'
import { wrapHcs } from './errors.ts'
import { REMOVING, RESETTING } from './home.ts'
import { makeLayer } from './layers/make-layer.ts'
import { makeReadWriteLayer } from './layers/make-scratch.ts'
import { mountLayer } from './layers/mount-layer.ts'
import { removeLayer } from './layers/remove-layer.ts'
import { resetLayer } from './layers/reset-layer.ts'
import type { Parts } from './parts.ts'
import { verifyLayer } from './verify/verify-layer.ts'

/** As in Docker's other drivers. */
const MAX_DEPTH = 128

/** A {@link Driver} of Windows layers, and what only Windows has. */
export interface WindowsDriver extends Driver {
  files(id: CacheID): Promise<FileGetter>
  reset(id: CacheID, parent: CacheID | undefined, options?: CallOptions): Promise<void>
  verify(id: CacheID, tar: ByteSource, options?: DriverVerifyOptions): AsyncIterable<string>
  /**
   * Makes the base images that come with the system known as layers, and lists them: Docker 1.11's
   * `GetCustomImageInfos`.
   */
  baseImages(): Promise<readonly BaseImage[]>
}

/** Docker's `windowsfilter`, and `windowsdiff` of before 2016. */
export class WindowsLayerDriver implements WindowsDriver {
  readonly name: string
  readonly capabilities: DriverCapabilities
  readonly #parts: Parts

  constructor(parts: Parts) {
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
    await makeLayer(this.#parts, id, options)
  }

  async createReadWrite(id: CacheID, options: DriverCreateReadWriteOptions = {}): Promise<void> {
    await makeReadWriteLayer(this.#parts, id, options)
  }

  async reset(id: CacheID): Promise<void> {
    await resetLayer(this.#parts, id)
  }

  async remove(id: CacheID, _options: CallOptions = {}): Promise<void> {
    await removeLayer(this.#parts, id)
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
    return await mountLayer(this.#parts, id, options)
  }

  async applyDiff(
    id: CacheID,
    parent: CacheID | undefined,
    tar: ByteSource,
    options: CallOptions = {},
  ): Promise<AppliedDiff> {
    await this.#parts.service.home.find(id)
    return await applyDiff(this.#parts, id, parent, tar, options)
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
        ? exportedTar(this.#parts, id, parent)
        : exportTar(layerItems(this.#parts, id, parent))
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
      const items = layerItems(this.#parts, id, parent)
      await using root = parent === undefined ? undefined : await this.#openLayer(parent)
      yield* await changesOf(items, root)
    } catch (error) {
      throw wrapHcs(error, attempt, { id })
    }
  }

  async diffSize(id: CacheID, parent?: CacheID, options: CallOptions = {}): Promise<number> {
    const attempt = `Cannot measure layer ${id}`
    let size = 0
    try {
      for await (const { file } of layerItems(this.#parts, id, parent)) {
        checkAborted(options.signal, attempt)
        size += file?.size ?? 0
      }
      return size
    } catch (error) {
      throw wrapHcs(error, attempt, { id })
    }
  }

  async files(id: CacheID): Promise<FileGetter> {
    const { service, fs } = this.#parts
    const { home } = service
    await home.find(id)
    try {
      if (service.hcs.tp4) return await exportedFiles(this.#parts, id)
      return await layerFiles(home.dir(await home.resolve(id)), fs, service.privileges)
    } catch (error) {
      throw wrapHcs(error, `Cannot read the files of layer ${id}`, { id })
    }
  }

  async *verify(
    id: CacheID,
    tar: ByteSource,
    options: DriverVerifyOptions = {},
  ): AsyncIterable<string> {
    const { flavour, service } = this.#parts
    // Their tars are of disks, and of folders that the service has written.
    if (flavour === 'diff' || service.hcs.tp4) return
    try {
      yield* verifyLayer(this.#parts, id, tar, options)
    } catch (error) {
      throw wrapHcs(error, `Cannot verify layer ${id}`, { id })
    }
  }

  async sync(ids: readonly CacheID[]): Promise<void> {
    for (const id of ids) await this.#parts.service.home.find(id)
    try {
      await this.#parts.trees.sync(this.#parts.service.home.root, ids)
    } catch (error) {
      throw wrapHcs(error, `Cannot put ${ids.length} layers on stable storage`, { ids })
    }
  }

  async cleanup(): Promise<readonly string[]> {
    const { service, asides } = this.#parts
    const done: string[] = []
    try {
      for (const name of await service.home.halfDone()) {
        await service.destroy(name)
        done.push(
          `layer ${name.replace(REMOVING, ', half removed').replace(RESETTING, ', half reset')}`,
        )
      }
      const swept = await asides.sweep()
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
    try {
      return await knowBaseImages(this.#parts)
    } catch (error) {
      throw wrapHcs(error, 'Cannot list the base images of this machine')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.asides[Symbol.asyncDispose]()
  }

  async #openLayer(id: CacheID): Promise<WinRoot> {
    const { service, fs } = this.#parts
    const { home } = service
    await home.find(id)
    return await fs.openRoot(home.dir(await home.resolve(id)))
  }
}
