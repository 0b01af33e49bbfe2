import { createHash } from 'node:crypto'
import { lstatSync, type Stats } from 'node:fs'
import { link, lstat, mkdir, readdir, rm, rmdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { WinFile, WinFs, WinRoot, WinStat } from '@varve/sys'
import { openEmulatedFile } from './emulated-file.ts'
import { fault } from './fault.ts'
import type { Place } from './place.ts'
import { readSidecar } from './sidecar.ts'

/**
 * Windows' files on any system: the data is an ordinary file, and what only Windows has (attributes,
 * all four times, security, extended attributes, alternate streams) lies beside it in `:meta`, a name
 * that no Windows file can have. A link is one here, too, and no path leads through it; another
 * reparse point is an empty file.
 *
 * ```text
 * <root>/Files/a.txt          the data
 * <root>/:meta/Files/a.txt    the rest of a.txt
 * <root>/:meta/Files/:info    that of the directory Files
 * ```
 */
export function emulatedFs(): WinFs {
  return {
    caseSensitive: true,
    openRoot: async (path) => {
      if (!(await lstat(path)).isDirectory()) throw fault('ENOTDIR', 'openRoot', path)
      return new EmulatedRoot(path)
    },
    fileSystemOf: async () => 'NTFS',
  }
}

/** Folder of sidecars in a root. */
export const META = ':meta'
/** A directory's sidecar in the folder of those of its files. */
export const DIRECTORY_INFO = ':info'

export class EmulatedRoot implements WinRoot {
  readonly path: string
  /** A directory that was found to be one, with all on the way to it. */
  #known = ''

  constructor(path: string) {
    this.path = path
  }

  async mkdir(name: string): Promise<void> {
    const place = await this.#place(name)
    await mkdir(place.data, 0o755)
    await mkdir(dirname(place.meta), { recursive: true })
  }

  async create(name: string): Promise<WinFile> {
    const place = await this.#place(name)
    if ((await lstatIfAny(place.data)) !== undefined) throw fault('EEXIST', 'create', place.data)
    return await openEmulatedFile(place, 'create')
  }

  async open(name: string, access: 'read' | 'write'): Promise<WinFile> {
    const [base, stream] = splitStream(name)
    // A directory that is written to may become a link.
    if (access === 'write') this.#known = ''
    const place = await this.#place(base)
    const stat = await lstat(place.data)
    return await openEmulatedFile(place, access, stat.isFile(), stream)
  }

  async stat(name: string): Promise<WinStat | undefined> {
    const place = await this.#placeIfAny(name)
    const stat = place && (await lstatIfAny(place.data))
    if (place === undefined || stat === undefined) return undefined
    const { info } = await readSidecar(place.meta, stat)
    const { nlink, dev, ino } = stat
    const size = stat.isFile() ? stat.size : 0
    return { info, size, links: stat.isDirectory() ? 1 : nlink, id: `${dev}:${ino}` }
  }

  async list(name: string): Promise<readonly string[]> {
    const place = name === '' ? this.path : (await this.#place(name)).data
    return (await readdir(place)).filter((entry) => entry !== META)
  }

  async link(name: string, target: string, targetRoot: WinRoot = this): Promise<void> {
    const place = await this.#place(name)
    const from = await (targetRoot as EmulatedRoot).#place(target)
    await link(from.data, place.data)
    if ((await lstatIfAny(from.meta)) === undefined) return
    await mkdir(dirname(place.meta), { recursive: true })
    await link(from.meta, place.meta)
  }

  async remove(name: string): Promise<void> {
    this.#known = ''
    const place = await this.#place(name)
    if ((await lstat(place.data)).isDirectory()) await rmdir(place.data)
    else await unlink(place.data)
    await rm(place.metaTop, { recursive: true, force: true })
  }

  async removeAll(name: string): Promise<void> {
    this.#known = ''
    const place = await this.#placeIfAny(name)
    if (place === undefined) return
    await rm(place.data, { recursive: true, force: true })
    await rm(place.metaTop, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Undefined if a directory on the way is missing, or none. */
  async #placeIfAny(name: string): Promise<Place | undefined> {
    try {
      return await this.#place(name)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw error
    }
  }

  /** Where a name is on this system; each directory on the way is looked at. */
  async #place(name: string): Promise<Place> {
    const parts = name.split('\\')
    if (parts.some((part) => part === '' || part === '.' || part === '..' || /[:/\0]/.test(part))) {
      throw fault('EINVAL', 'open', name)
    }
    const parent = parts.slice(0, -1).join('/')
    if (!isWithin(this.#known, parent)) this.#verify(parent)
    const data = join(this.path, ...parts)
    const metaTop = join(this.path, META, ...parts)
    const directory = lstatSync(data, { throwIfNoEntry: false })?.isDirectory() ?? false
    return { data, meta: directory ? join(metaTop, DIRECTORY_INFO) : metaTop, metaTop }
  }

  /** Looks at every directory on the way that is not known; synchronously, as there may be hundreds. */
  #verify(parent: string): void {
    let known = isWithin(parent, this.#known) ? this.#known : ''
    for (const part of parent.slice(known.length).split('/')) {
      if (part === '') continue
      const next = known === '' ? part : `${known}/${part}`
      const path = join(this.path, next)
      if (!lstatSync(path).isDirectory()) throw fault('ENOTDIR', 'open', path)
      known = next
    }
    this.#known = known
  }
}

function isWithin(path: string, top: string): boolean {
  return top === '' || path === top || path.startsWith(`${top}/`)
}

function splitStream(name: string): [name: string, stream: string | undefined] {
  const colon = name.indexOf(':', name.lastIndexOf('\\') + 1)
  return colon < 0 ? [name, undefined] : [name.slice(0, colon), name.slice(colon)]
}

async function lstatIfAny(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw error
  }
}

/** As hcsshim's `NewGUID` does it: SHA-1 of the name, cut; its first fields in Windows' order. */
export function guidOfName(name: string): Uint8Array {
  const bytes = new Uint8Array(createHash('sha1').update(name).digest().subarray(0, 16))
  bytes.subarray(0, 4).reverse()
  bytes.subarray(4, 6).reverse()
  bytes.subarray(6, 8).reverse()
  return bytes
}
