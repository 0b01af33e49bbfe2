import { Buffer } from 'node:buffer'
import process from 'node:process'
import { type FileStat, type NativeCalls, O, S, type SysError } from '@varve/sys'
import type { Pace } from '../pace.ts'
import { copyMetadata, ITSELF, type MetadataRules, type Spot } from './copy-metadata.ts'
import { joinPath, openBeneath, openRoot, splitPath } from './open-beneath.ts'

/** What copying needs to know. */
export interface CopyTreeOptions {
  readonly native: NativeCalls
  readonly pace: Pace
  /** Whether files may be given to other users. */
  readonly keepOwner: boolean
}

/**
 * Makes the directory `to`, which must be empty, an exact copy of the directory `from`: every kind
 * of file, content with its holes, hard links among themselves, owner, mode, extended attributes
 * and times. Directories are walked by descriptor; no link is followed and nothing mounted entered.
 *
 * Content is shared by reflink where the file system can, else copied inside the kernel. An
 * ordinary user's own directories and files that he may not read get the permission while they are
 * copied.
 */
export async function copyTree(from: string, to: string, options: CopyTreeOptions): Promise<void> {
  const { native } = options
  const source = openRoot(native, from)
  try {
    const target = openRoot(native, to)
    try {
      await new TreeCopy(source, target, options).run()
    } finally {
      native.close(target)
    }
  } finally {
    native.close(source)
  }
}

/** A new directory is its owner's alone until it is filled. */
const FILLING = 0o700
/** What the owner needs to reach what is in a directory. */
const ENTER = 0o100

/** What the owner needs to list a directory and look at what is in it. */
const READ_AND_ENTER = 0o500

interface Mode {
  readonly path: Uint8Array
  readonly mode: number
}

class TreeCopy {
  readonly #native: NativeCalls
  readonly #pace: Pace
  readonly #rules: MetadataRules
  readonly #source: number
  readonly #target: number
  /** Directories that were made and not filled yet. */
  readonly #pending: Uint8Array[] = [ITSELF]
  /** Device and inode of a file with several names → where its copy is. */
  readonly #links = new Map<string, Uint8Array>()
  /** Copies of directories that not even their owner may enter, closed in the end. */
  readonly #closed: Mode[] = []
  /** Directories of the source that their owner had to let himself into, closed in the end. */
  readonly #opened = new Map<string, Mode>()
  #reflink = true

  constructor(source: number, target: number, options: CopyTreeOptions) {
    this.#native = options.native
    this.#pace = options.pace
    this.#rules = { keepOwner: options.keepOwner }
    this.#source = source
    this.#target = target
  }

  async run(): Promise<void> {
    try {
      await this.#copyAll()
      this.#close(this.#target, this.#closed)
    } finally {
      this.#close(this.#source, [...this.#opened.values()])
    }
  }

  async #copyAll(): Promise<void> {
    for (let path = this.#pending.pop(); path; path = this.#pending.pop()) {
      const from = openBeneath(this.#native, this.#source, path)
      try {
        const to = openBeneath(this.#native, this.#target, path)
        try {
          await this.#fill(path, from, to)
        } finally {
          this.#native.close(to)
        }
      } finally {
        this.#native.close(from)
      }
    }
  }

  async #fill(path: Uint8Array, from: number, to: number): Promise<void> {
    const stat = this.#native.fstat(from)
    for (const { name } of this.#native.readdir(from)) {
      if (this.#pace.due()) await this.#pace.rest()
      this.#copyEntry(path, from, to, name)
    }
    const mode = this.#opened.get(keyOf(path))?.mode ?? stat.mode & 0o7777
    this.#copyMetadata([from, ITSELF], [to, ITSELF], { ...stat, mode: mode | ENTER })
    if ((mode & ENTER) === 0) this.#closed.push({ path, mode })
  }

  #copyEntry(path: Uint8Array, from: number, to: number, name: Uint8Array): void {
    const native = this.#native
    const stat = native.statat(from, name)
    const type = stat.mode & S.IFMT
    if (type === S.IFDIR) {
      native.mkdirat(to, name, FILLING)
      const child = joinPath(path, name)
      this.#pending.push(child)
      if ((stat.mode & READ_AND_ENTER) !== READ_AND_ENTER && isOrdinaryOwner(stat)) {
        this.#opened.set(keyOf(child), { path: child, mode: stat.mode & 0o7777 })
        native.fchmodat(from, name, (stat.mode & 0o7777) | READ_AND_ENTER)
      }
      return
    }
    if (stat.nlink > 1 && this.#linked(path, to, name, stat)) return
    if (type === S.IFREG) {
      this.#copyFile(from, to, name, stat)
      return
    }
    if (type === S.IFLNK) native.symlinkat(native.readlinkat(from, name), to, name)
    else native.mknodat(to, name, type | 0o600, stat.rdevMajor, stat.rdevMinor)
    this.#copyMetadata([from, name], [to, name], stat)
  }

  #copyFile(from: number, to: number, name: Uint8Array, stat: FileStat): void {
    const native = this.#native
    const source = openForReading(native, from, name, stat)
    try {
      const target = native.openat(to, name, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600)
      try {
        const method = native.copyFileData(source, target, stat.size, this.#reflink)
        // What failed once fails for every file of this tree, and costs a call each time.
        if (stat.size > 0 && method !== 'reflink') this.#reflink = false
        this.#copyMetadata([source, ITSELF], [target, ITSELF], stat)
      } finally {
        native.close(target)
      }
    } finally {
      native.close(source)
    }
  }

  #copyMetadata(from: Spot, to: Spot, stat: FileStat): void {
    copyMetadata(this.#native, from, to, stat, this.#rules)
  }

  /** True if another name of the same file was copied before; this one then links to that. */
  #linked(path: Uint8Array, to: number, name: Uint8Array, stat: FileStat): boolean {
    const key = `${stat.dev}:${stat.ino}`
    const first = this.#links.get(key)
    if (first === undefined) {
      this.#links.set(key, joinPath(path, name))
      return false
    }
    this.#inParent(this.#target, first, (fd, base) => this.#native.linkat(fd, base, to, name))
    return true
  }

  /** Gives directories their modes, the deepest, which were found last, first. */
  #close(root: number, modes: readonly Mode[]): void {
    for (const { path, mode } of modes.toReversed()) {
      if (path.length === 0) this.#native.fchmod(root, mode)
      else this.#inParent(root, path, (fd, base) => this.#native.fchmodat(fd, base, mode))
    }
  }

  #inParent(root: number, path: Uint8Array, run: (fd: number, base: Uint8Array) => void): void {
    const [directory, base] = splitPath(path)
    const fd = openBeneath(this.#native, root, directory)
    try {
      run(fd, base)
    } finally {
      this.#native.close(fd)
    }
  }
}

/** NONBLOCK, so that what has become a FIFO behind our back does not stop the process. */
const READ = O.RDONLY | O.NOFOLLOW | O.NONBLOCK

function keyOf(path: Uint8Array): string {
  return Buffer.from(path).toString('latin1')
}

/** Whether this is the user's own file and its mode binds him; root's modes bind nobody. */
function isOrdinaryOwner(stat: FileStat): boolean {
  const user = process.geteuid?.()
  return user !== 0 && user === stat.uid
}

/**
 * Opens a file that its owner, an ordinary user, may have to allow himself to read: images hold
 * files of mode 0 (`/etc/shadow` of Fedora). The mode is what it was before anything is read.
 */
function openForReading(
  native: NativeCalls,
  from: number,
  name: Uint8Array,
  stat: FileStat,
): number {
  try {
    return native.openat(from, name, READ)
  } catch (error) {
    if ((error as SysError).code !== 'EACCES' || !isOrdinaryOwner(stat)) throw error
  }
  native.fchmodat(from, name, (stat.mode & 0o7777) | 0o400)
  try {
    return native.openat(from, name, READ)
  } finally {
    native.fchmodat(from, name, stat.mode & 0o7777)
  }
}
