import { LayerError } from '@varve/core/errors'
import { corrupt } from '../fault.ts'
import type { DeviceSlot } from '../format/superblock.ts'
import type { TarPlace } from '../format/tar-note.ts'
import type { ByteRanges } from '../storage.ts'
import { S } from '../tree/files.ts'
import { type ErofsEntry, Files, is } from './files.ts'
import { type ErofsPath, findPath } from './find-path.ts'
import { Inodes } from './inodes.ts'
import { Pages } from './pages.ts'
import type { ErofsStat } from './stat.ts'
import { type Head, readHead } from './superblock.ts'

const READ_BYTES = 2 ** 20
const MAX_DEPTH = 4096

/** An image that is open to be read. */
export interface ErofsImage {
  readonly uuid: Uint8Array
  /** In bytes. */
  readonly blockSize: number
  /** How many files there are. */
  readonly inodes: number
  /** Where the tar is that it was made from, if it was made by `writeErofs`. */
  readonly tar: TarPlace | undefined
  /** Other files that its data is in. */
  readonly devices: readonly DeviceSlot[]
  /** What is at a path, a final link not followed; undefined if nothing is. */
  stat(path: ErofsPath): Promise<ErofsStat | undefined>
  /** The names in a directory, in the order of their bytes. */
  list(path: ErofsPath): AsyncGenerator<ErofsEntry>
  /** A file's content, or `length` bytes of it from `position` on. */
  read(path: ErofsPath, range?: { position?: number; length?: number }): AsyncGenerator<Uint8Array>
  /** Everything beneath a directory; `name` is then the path from there. */
  walk(path?: ErofsPath): AsyncGenerator<ErofsEntry>
}

/** How {@link openErofs} opens. */
export interface OpenErofsOptions {
  /** What the image's `devices` are, in that order: needed to read contents that are there. */
  readonly devices?: readonly ByteRanges[]
}

/**
 * Opens an image to read it here, without a kernel: in a browser as well. It reads what
 * {@link writeErofs} writes and what other tools write without compression.
 *
 * Nothing that an image says leads out of it, into a loop, or to more memory than its metadata take.
 *
 * @throws LayerError `ERR_CORRUPT_LAYER`, here and from every call; `ERR_INVALID_ARGUMENT` from
 *   `read` and `list` for what is no file or directory
 *
 * @example
 * ```ts
 * import { memoryFile, openErofs, writeErofs } from '@varve/erofs'
 *
 * const file = memoryFile()
 * await writeErofs(file, [new Uint8Array(1024)])
 * const image = await openErofs(file)
 * console.assert((await image.stat('/'))?.mode === 0o755)
 * ```
 */
export async function openErofs(
  source: ByteRanges,
  options: OpenErofsOptions = {},
): Promise<ErofsImage> {
  return new Image(source, await readHead(source), options.devices ?? [])
}

class Image implements ErofsImage {
  readonly uuid: Uint8Array
  readonly blockSize: number
  readonly inodes: number
  readonly tar: TarPlace | undefined
  readonly devices: readonly DeviceSlot[]
  readonly #source: ByteRanges
  readonly #sources: readonly ByteRanges[]
  readonly #rootNid: number
  readonly #files: Files

  constructor(
    source: ByteRanges,
    { superblock, devices, tar }: Head,
    sources: readonly ByteRanges[],
  ) {
    this.uuid = superblock.uuid
    this.blockSize = 2 ** superblock.blockBits
    this.inodes = superblock.inodes
    this.tar = tar
    this.devices = devices
    this.#source = source
    this.#sources = sources
    this.#rootNid = superblock.rootNid
    const pages = new Pages(source)
    this.#files = new Files(pages, new Inodes(pages, superblock, devices))
  }

  async stat(path: ErofsPath): Promise<ErofsStat | undefined> {
    const found = await findPath(this.#files, this.#rootNid, path, false)
    return found && (await this.#files.stat(found.nid))
  }

  async *list(path: ErofsPath): AsyncGenerator<ErofsEntry> {
    const found = await findPath(this.#files, this.#rootNid, path, true)
    if (!found || !is(found, S.IFDIR)) throw notThere('list', path, 'directory')
    yield* this.#files.entries(found)
  }

  async *read(
    path: ErofsPath,
    range: { position?: number; length?: number } = {},
  ): AsyncGenerator<Uint8Array> {
    const found = await findPath(this.#files, this.#rootNid, path, true)
    if (!found || !is(found, S.IFREG)) throw notThere('read', path, 'regular file')
    const { nid, inode } = found
    const { pages, inodes } = this.#files
    const end = Math.min(inode.size, (range.position ?? 0) + (range.length ?? inode.size))
    for (let offset = range.position ?? 0; offset < end; ) {
      const at = offset
      const run = await pages.run(() => inodes.run(nid, inode, at))
      const length = Math.min(run.length, end - offset, READ_BYTES)
      yield await this.#content(run.place, length)
      offset += length
    }
  }

  async *walk(path: ErofsPath = '/'): AsyncGenerator<ErofsEntry> {
    const top = await findPath(this.#files, this.#rootNid, path, true)
    if (!top || !is(top, S.IFDIR)) throw notThere('walk', path, 'directory')
    const seen = new Set([top.nid])
    const ahead = [this.#files.entries(top)]
    const prefixes: Uint8Array[] = [new Uint8Array(0)]
    while (ahead.length > 0) {
      const { done, value } = await (ahead.at(-1) as AsyncGenerator<ErofsEntry>).next()
      if (done) {
        ahead.pop()
        prefixes.pop()
        continue
      }
      const name = joined(prefixes.at(-1) as Uint8Array, value.name)
      yield { name, stat: value.stat }
      const { type, nid } = value.stat
      if (type !== 'directory') continue
      if (seen.has(nid)) throw corrupt('a directory has two names')
      if (ahead.length > MAX_DEPTH) throw corrupt('its directories are too deep')
      seen.add(nid)
      ahead.push(this.#files.entries(await this.#files.inode(nid)))
      prefixes.push(name)
    }
  }

  async #content(
    place: { readonly device: number; readonly position: number } | undefined,
    length: number,
  ): Promise<Uint8Array> {
    if (!place) return new Uint8Array(length)
    const source = place.device === -1 ? this.#source : this.#sources[place.device]
    if (!source) {
      const tag = this.devices[place.device]?.tag ?? ''
      throw new LayerError(
        'ERR_INVALID_ARGUMENT',
        `Cannot read file: device ${JSON.stringify(tag)} is not given`,
        {
          data: { device: tag },
          hint: 'Give openErofs the devices of the image',
        },
      )
    }
    const bytes = await source.read(place.position, length)
    if (bytes.length < length) throw corrupt('a file lies beyond its end')
    return bytes
  }
}

function joined(directory: Uint8Array, name: Uint8Array): Uint8Array {
  if (directory.length === 0) return name
  const path = new Uint8Array(directory.length + 1 + name.length)
  path.set(directory)
  path[directory.length] = 0x2f
  path.set(name, directory.length + 1)
  return path
}

function notThere(what: string, path: ErofsPath, wanted: string): LayerError {
  const text = typeof path === 'string' ? path : new TextDecoder().decode(path)
  return new LayerError(
    'ERR_INVALID_ARGUMENT',
    `Cannot ${what} ${JSON.stringify(text)}: there is no ${wanted}`,
    { data: { path: text } },
  )
}
