import { type DirEntry, type NativeCalls, O, RESOLVE, S } from '@varve/sys'
import { baseOf, fromBinary, joined, parentOf, shown, toBinary } from './binary.ts'
import { codeOf, type FileCalls } from './calls.ts'
import type { Directory, MakeMissing, Resolver, RootOptions, SafeRoot } from './safe-root.ts'

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

/** See {@link SafeRoot}. */
export class Root implements SafeRoot {
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
