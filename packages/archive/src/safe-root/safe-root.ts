import { LayerError } from '@varve/core'
import {
  AT,
  type DirEntry,
  type FileStat,
  type NativeCalls,
  O,
  openSys,
  RESOLVE,
  S,
  type Sys,
} from '@varve/sys'
import { baseOf, fromBinary, joined, parentOf, shown, toBinary } from './binary.ts'
import { codeOf, type FileCalls } from './calls.ts'
import { nodeCalls, pathPlaces, procfdPlaces } from './node-calls.ts'

/**
 * How directories are found.
 * - `openat2`: the kernel resolves the whole way and is told to stay inside.
 * - `walk`: component by component, each relative to the handle of the one before.
 * - `procfd`: the same without FFI, through `/proc/self/fd`.
 * - `paths`: by paths, each component looked at first. No defence against somebody who changes the
 *   tree at the same time; only for systems without handles.
 */
export type Resolver = 'openat2' | 'walk' | 'procfd' | 'paths'

/** How {@link openRoot} opens a tree. */
export interface RootOptions {
  /** The system, if it is open already. */
  readonly sys?: Sys
  /** Default: the best that works here. */
  readonly resolver?: Resolver
  /** Most symbolic links on the way to one directory. Default 40, as in Linux. */
  readonly maxLinks?: number
  /**
   * Give a directory of one's own that lacks them its owner's permissions when it is entered; see
   * {@link SafeRoot.loosened}. For ordinary users, who otherwise cannot fill a directory of mode
   * 0555.
   */
  readonly loosen?: boolean
  /** What is to be taken for nothing on the way to a directory, as overlay's whiteouts. */
  readonly isAbsent?: (stat: FileStat) => boolean
}

/** A directory inside a root. Valid until the next directory is asked for; keep its path. */
export interface Directory {
  readonly fd: number
  /** From the root, without any symbolic link on the way; the root itself is the empty string. */
  readonly path: string
  /** Whether what is made in it inherits its group; undefined until somebody has looked. */
  setgid: boolean | undefined
}

/**
 * A directory tree that no name leads out of.
 *
 * Paths are binary strings (see `binary.ts`), relative, `/`-separated. Symbolic links on the way to
 * a directory are followed as if the process had changed its root to the tree; the last component of
 * a file's path is never followed, because files are only named by a directory's handle and a name.
 */
export interface SafeRoot extends Disposable {
  readonly calls: FileCalls
  readonly resolver: Resolver
  /**
   * The directory at a path.
   *
   * @param make makes something at a missing name, a directory or a link to one, and returns whether
   *   it did; if not, or without it, undefined is returned
   * @throws an `ENOTDIR` or `ELOOP` error if something else is in the way
   */
  directory(path: string, make?: MakeMissing): Directory | undefined
  /** The directory at a path that has no symbolic link in it. */
  open(path: string): Directory
  /** What is in a directory. */
  list(path: string): DirEntry[]
  /** Must be called when something at a path was removed or replaced. */
  forget(path: string, wasDirectory: boolean): void
  /** Former modes of directories that were opened up, by path. */
  readonly loosened: Map<string, number>
}

/** See {@link SafeRoot.directory}. */
export type MakeMissing = (parent: Directory, name: string) => boolean

/** Handles that are kept open. */
const CACHED_DIRECTORIES = 128
const CACHED_ALIASES = 1024
const DIRECTORY_FLAGS = O.PATH | O.DIRECTORY | O.NOFOLLOW
const RETRIES = 1000
/** What one call can take; what lies deeper is entered step by step. */
const LONGEST_PATH = 4095
const NOT_STRAIGHT: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'ELOOP',
  'ENOTDIR',
  'EXDEV',
])

/**
 * Opens a directory tree so that nothing in it can lead out of it.
 *
 * @param path a trusted path to the tree's root
 * @throws LayerError `ERR_NOT_SUPPORTED` for a resolver that does not work here
 *
 * @example
 * ```ts
 * import { mkdtemp, symlink } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openRoot } from '@varve/archive'
 *
 * const path = await mkdtemp(join(tmpdir(), 'root-'))
 * await symlink('/', join(path, 'up'))
 * using root = openRoot(path)
 * console.assert(root.directory('up/../..')?.path === '')
 * ```
 */
export function openRoot(path: string, options: RootOptions = {}): SafeRoot {
  const native =
    options.resolver === 'procfd' || options.resolver === 'paths'
      ? undefined
      : (options.sys ?? openSys()).native
  const wanted = options.resolver
  const refuse = (why: string): LayerError =>
    new LayerError('ERR_NOT_SUPPORTED', `Cannot resolve names by ${wanted}: ${why}`)
  if (native) {
    if (wanted === 'openat2' && !native.hasOpenat2) throw refuse('the kernel refuses it')
    // An ordinary user may have to open up directories on the way, so enters them one by one.
    const whole = native.hasOpenat2 && wanted !== 'walk' && !options.loosen
    const rootfd = native.openat(AT.FDCWD, Buffer.from(path), O.PATH | O.DIRECTORY)
    return new Root(native, rootfd, whole ? 'openat2' : 'walk', options, whole ? native : undefined)
  }
  if (wanted === 'openat2' || wanted === 'walk') throw refuse('there is no FFI')
  const byHandle = wanted === 'paths' ? undefined : procfdPlaces(path)
  if (wanted === 'procfd' && !byHandle) throw refuse('/proc does not show descriptors')
  const { places, rootfd } = byHandle ?? pathPlaces(path)
  return new Root(nodeCalls(places), rootfd, byHandle ? 'procfd' : 'paths', options, undefined)
}

/** A tree that calls of another kind lead to; it closes `rootfd` in the end. */
export function rootOn(calls: FileCalls, rootfd: number, options: RootOptions = {}): SafeRoot {
  return new Root(calls, rootfd, 'walk', options, undefined)
}

class Root implements SafeRoot {
  readonly calls: FileCalls
  readonly resolver: Resolver
  readonly loosened = new Map<string, number>()
  readonly #openat2: NativeCalls | undefined
  readonly #root: Directory
  readonly #maxLinks: number
  readonly #owner: number | undefined
  readonly #isAbsent: RootOptions['isAbsent']
  /** By path, least recently used first. */
  readonly #cached = new Map<string, Directory>()
  #last: Directory
  /** Paths with symbolic links on them, and what they lead to. */
  readonly #aliases = new Map<string, string>()

  constructor(
    calls: FileCalls,
    rootfd: number,
    resolver: Resolver,
    options: RootOptions,
    openat2: NativeCalls | undefined,
  ) {
    this.calls = calls
    this.resolver = resolver
    this.#openat2 = openat2
    this.#root = { fd: rootfd, path: '', setgid: undefined }
    this.#last = this.#root
    this.#maxLinks = options.maxLinks ?? 40
    this.#owner = options.loosen ? process.geteuid?.() : undefined
    this.#isAbsent = options.isAbsent
    this.#loosen(this.#root)
  }

  directory(path: string, make?: MakeMissing): Directory | undefined {
    if (path === this.#last.path) return this.#last
    const known = this.#aliases.get(path)
    try {
      return this.open(known ?? path)
    } catch (error) {
      if (!NOT_STRAIGHT.has(codeOf(error))) throw error
    }
    const found = this.#walk(path, make)
    if (found && found.path !== path) {
      if (this.#aliases.size >= CACHED_ALIASES) this.#aliases.clear()
      this.#aliases.set(path, found.path)
    }
    return found
  }

  open(path: string): Directory {
    if (path === this.#last.path) return this.#last
    if (path === '') return this.#root
    const cached = this.#recall(path)
    if (cached) return cached
    if (this.#openat2 && path.length <= LONGEST_PATH) {
      return this.#keep(path, this.#openStraight(path))
    }
    return this.#enter(this.open(parentOf(path)), baseOf(path))
  }

  list(path: string): DirEntry[] {
    const { calls } = this
    const fd = calls.openat(this.open(path).fd, fromBinary('.'), O.DIRECTORY)
    try {
      return calls.readdir(fd)
    } finally {
      calls.close(fd)
    }
  }

  forget(path: string, wasDirectory: boolean): void {
    this.#aliases.clear()
    if (!wasDirectory) return
    this.loosened.delete(path)
    const cached = this.#cached.get(path)
    if (!cached) return
    this.#cached.delete(path)
    if (this.#last === cached) this.#last = this.#root
    this.calls.close(cached.fd)
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#cached.values()) this.calls.close(fd)
    this.#cached.clear()
    this.#last = this.#root
    this.calls.close(this.#root.fd)
  }

  #recall(path: string): Directory | undefined {
    const cached = this.#cached.get(path)
    if (!cached) return undefined
    this.#cached.delete(path)
    this.#cached.set(path, cached)
    this.#last = cached
    return cached
  }

  #openStraight(path: string): number {
    const resolve = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS
    const bytes = fromBinary(path)
    const native = this.#openat2 as NativeCalls
    for (let attempt = 0; ; attempt++) {
      try {
        return native.openat2(this.#root.fd, bytes, DIRECTORY_FLAGS, 0, resolve)
      } catch (error) {
        // A rename somewhere in the tree while the kernel was on its way.
        if (codeOf(error) !== 'EAGAIN' || attempt >= RETRIES) throw error
      }
    }
  }

  /** A directory in a directory; never through a symbolic link. */
  #enter(parent: Directory, name: string): Directory {
    const path = joined(parent.path, name)
    const cached = this.#recall(path)
    if (cached) return cached
    return this.#keep(path, this.calls.openat(parent.fd, fromBinary(name), DIRECTORY_FLAGS))
  }

  #keep(path: string, fd: number): Directory {
    const directory: Directory = { fd, path, setgid: undefined }
    if (this.#cached.size >= CACHED_DIRECTORIES) {
      for (const [oldest, { fd: oldestFd }] of this.#cached) {
        this.#cached.delete(oldest)
        this.calls.close(oldestFd)
        break
      }
    }
    this.#cached.set(path, directory)
    this.#last = directory
    this.#loosen(directory)
    return directory
  }

  #loosen(directory: Directory): void {
    if (this.#owner === undefined || this.#owner === 0) return
    const { mode, uid } = this.calls.fstat(directory.fd)
    if (uid !== this.#owner || (mode & 0o700) === 0o700) return
    this.calls.fchmodat(directory.fd, new Uint8Array(0), (mode & 0o7777) | 0o700)
    if (!this.loosened.has(directory.path)) this.loosened.set(directory.path, mode & 0o7777)
  }

  /** Component by component, following symbolic links by what they say. */
  #walk(path: string, make: MakeMissing | undefined): Directory | undefined {
    const ahead = path.split('/').reverse()
    let at = this.#root
    let links = 0
    while (ahead.length > 0) {
      const name = ahead.pop() as string
      if (name === '' || name === '.') continue
      if (name === '..') {
        at = this.open(parentOf(at.path))
        continue
      }
      const stat = this.calls.statIfAny(at.fd, fromBinary(name))
      const type = stat && !this.#isAbsent?.(stat) ? stat.mode & S.IFMT : undefined
      if (type === undefined) {
        if (!make?.(at, name)) return undefined
        // Looked at like what was there before: it may be a symbolic link.
        at = this.open(at.path)
        ahead.push(name)
      } else if (type === S.IFDIR) {
        at = this.#enter(at, name)
      } else if (type === S.IFLNK) {
        if (++links > this.#maxLinks) throw inTheWay('ELOOP', 'too many symbolic links', path)
        const target = toBinary(this.calls.readlinkat(at.fd, fromBinary(name)))
        if (target.startsWith('/')) at = this.#root
        ahead.push(...target.split('/').reverse())
      } else {
        throw inTheWay('ENOTDIR', `${shown(joined(at.path, name))} is not a directory`, path)
      }
    }
    return at
  }
}

function inTheWay(code: string, why: string, path: string): Error {
  return Object.assign(new Error(`${why}, on the way to ${shown(path)}`), {
    code,
    syscall: 'open',
  })
}
