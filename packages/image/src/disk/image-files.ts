import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, rm, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { checkAborted, type Digest, digestOf, isDigest, LayerError, wrapError } from '@varve/core'
import type { Sys } from '@varve/sys'
import type { ParsedManifest } from '../document/schemas.ts'
import { parseImageDocument } from '../source/manifest.ts'
import type { SourceManifest } from '../source/source-image.ts'
import type { ImageID } from '../types/image.ts'
import {
  createFile,
  emptyDirectory,
  ensureDirectory,
  isAbsence,
  namesIn,
  readIfThere,
  removeDurably,
  writeDurably,
} from './files.ts'
import type { ImagePaths } from './paths.ts'
import { parseTagTable, type TagTable } from './tag-table.ts'

/** A change under way: a directory of its own, gone with it, and swept if its process dies. */
export interface Work extends AsyncDisposable {
  readonly dir: string
  /** A path in `dir` that is not taken yet. */
  path(): string
  /** A new file without a name, gone as soon as it is closed. */
  scratch(): Promise<FileHandle>
}

/** A kept manifest. */
export interface StoredManifest extends SourceManifest {
  readonly manifest: ParsedManifest
}

/** The files of an image store, each read and written alone; what belongs together is not known. */
export class ImageFiles {
  readonly sys: Sys
  readonly paths: ImagePaths

  constructor(paths: ImagePaths, sys: Sys) {
    this.paths = paths
    this.sys = sys
  }

  /** Runs `fn` while nobody else changes tags or images. Not re-entrant. */
  async exclusively<T>(fn: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await ensureDirectory(this.sys, this.paths.own)
    checkAborted(signal, 'Cannot lock the images')
    await using _lock = await this.sys.lockFile(this.paths.lock, {
      mode: 'exclusive',
      ...(signal ? { signal } : {}),
    })
    return await fn()
  }

  /** Begins a change. */
  async work(): Promise<Work> {
    await ensureDirectory(this.sys, this.paths.work)
    const lock = await this.sys.lockFile(this.paths.activity, { mode: 'shared' })
    const dir = join(this.paths.work, randomBytes(8).toString('hex'))
    try {
      await mkdir(dir, { mode: 0o700 })
    } catch (error) {
      lock[Symbol.dispose]()
      throw wrapError(error, 'Cannot begin a change of the images')
    }
    let count = 0
    const path = () => join(dir, String(count++))
    return {
      dir,
      path,
      async scratch() {
        const name = path()
        const file = await createFile(name)
        await unlink(name)
        return file
      },
      async [Symbol.asyncDispose]() {
        await using _lock = lock
        await rm(dir, { recursive: true, force: true })
      },
    }
  }

  /**
   * Runs `sweep` on what dead processes left in `work`, then removes it. Does nothing while
   * another process is at work, which will find the same when it is over.
   */
  async sweep(sweep: (directories: readonly string[]) => Promise<void>): Promise<void> {
    const { work, activity } = this.paths
    if ((await namesIn(work)).length === 0) return
    using lock = this.sys.tryLockFile(activity, 'exclusive')
    if (!lock) return
    await sweep((await namesIn(work)).map((name) => join(work, name)))
    await emptyDirectory(this.sys, work)
  }

  async writeConfig(work: Work, id: ImageID, bytes: Uint8Array): Promise<void> {
    await writeDurably(this.sys, this.paths.config(id), bytes, work.path())
  }

  /** A text of an image's metadata: `lastUpdated`, `parent`. */
  async metadata(id: ImageID, key: 'lastUpdated' | 'parent'): Promise<string | undefined> {
    const bytes = await readIfThere(join(this.paths.metadataOf(id), key))
    return bytes && new TextDecoder().decode(bytes).trim()
  }

  async writeMetadata(
    work: Work,
    id: ImageID,
    key: 'lastUpdated' | 'parent',
    text: string,
  ): Promise<void> {
    const path = join(this.paths.metadataOf(id), key)
    await writeDurably(this.sys, path, new TextEncoder().encode(text), work.path())
  }

  /** The manifest that an image came with. @throws LayerError `ERR_CORRUPT_METADATA` */
  async manifest(id: ImageID): Promise<StoredManifest | undefined> {
    const bytes = await readIfThere(this.paths.manifest(id))
    if (!bytes) return undefined
    const what = `the kept manifest of image ${id}`
    try {
      const document = parseImageDocument(bytes, what)
      if (document.kind === 'manifest' && document.manifest.config.digest === id) {
        return { ...document, digest: digestOf(bytes), bytes }
      }
    } catch (cause) {
      throw new LayerError('ERR_CORRUPT_METADATA', `Cannot read ${what}`, { cause, data: { id } })
    }
    throw new LayerError('ERR_CORRUPT_METADATA', `Cannot read ${what}: it is another image's`)
  }

  async writeManifest(work: Work, id: ImageID, bytes: Uint8Array): Promise<void> {
    await writeDurably(this.sys, this.paths.manifest(id), bytes, work.path())
  }

  async removeManifest(id: ImageID): Promise<void> {
    await removeDurably(this.sys, this.paths.manifest(id))
  }

  /** Forgets an image: with its configuration it is gone. */
  async removeImage(id: ImageID): Promise<void> {
    await removeDurably(this.sys, this.paths.config(id))
    await removeDurably(this.sys, this.paths.metadataOf(id))
    await this.removeManifest(id)
  }

  /** @throws LayerError `ERR_CORRUPT_METADATA` */
  async tags(): Promise<TagTable> {
    const { repositories } = this.paths
    return parseTagTable(await readIfThere(repositories), repositories)
  }

  async writeTags(work: Work, table: TagTable): Promise<void> {
    await writeDurably(this.sys, this.paths.repositories, table.toBytes(), work.path())
  }

  /** Size of a kept blob; undefined if it is not kept. */
  async blobSize(digest: Digest): Promise<number | undefined> {
    try {
      return (await stat(this.paths.blob(digest))).size
    } catch (error) {
      if (isAbsence(error)) return undefined
      throw error
    }
  }

  /** Digests of all kept blobs. */
  async blobs(): Promise<Digest[]> {
    return (await namesIn(this.paths.blobs)).map((hex) => `sha256:${hex}`).filter(isDigest)
  }

  async removeBlob(digest: Digest): Promise<void> {
    await removeDurably(this.sys, this.paths.blob(digest))
  }
}
