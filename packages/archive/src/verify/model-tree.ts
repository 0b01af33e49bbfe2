import { type FileStat, S } from '@varve/sys'
import { baseOf, fromBinary, joined, parentOf, toBinary } from '../safe-root/binary.ts'
import type { SafeRoot } from '../safe-root/safe-root.ts'

/** A file of a {@link ModelTree}, under however many names; its content is not kept. */
export interface ModelFile {
  readonly ino: bigint
  /** Type and permissions. */
  mode: number
  uid: number
  gid: number
  size: number
  /** Undefined if it is the moment at which something was done. */
  mtimeNs: bigint | undefined
  readonly rdevMajor: number
  readonly rdevMinor: number
  readonly target: Uint8Array | undefined
  /** By name, both as the system has them; undefined as long as they are the lower file's. */
  xattrs: Map<string, Uint8Array> | undefined
  /** Where the lower tree has it; undefined for what is new. */
  readonly lower: string | undefined
  /** Whether the layer made it or set something of it. */
  isSet: boolean
  /** Of a directory: what is known of its names; undefined for one that is gone. */
  readonly names: Map<string, ModelFile | undefined>
}

/** What a {@link ModelTree} is told of its root and of the tree that it begins as. */
export interface ModelStart {
  readonly lower: SafeRoot | undefined
  /** Names in the lower tree that stand for nothing. */
  readonly isAbsent: (stat: FileStat) => boolean
  /** Whether several names of a lower file stay one file. */
  readonly linked: boolean
}

/**
 * A directory tree in memory that begins as a copy of another one, which is looked at as far as
 * anybody asks, and never changed.
 */
export class ModelTree {
  readonly root: ModelFile
  readonly #start: ModelStart
  /** Files of the lower tree with several names. */
  readonly #linked = new Map<string, ModelFile>()
  #made = 0n

  constructor(root: FileStat, start: ModelStart) {
    this.#start = start
    this.root = this.#fromLower(root, start.lower && '')
  }

  /** What is at a name in a directory. */
  find(directory: ModelFile, name: string): ModelFile | undefined {
    if (directory.names.has(name)) return directory.names.get(name)
    const { lower, isAbsent, linked } = this.#start
    if (directory.lower === undefined || !lower) return undefined
    const stat = lower.calls.statIfAny(lower.open(directory.lower).fd, fromBinary(name))
    if (!stat || isAbsent(stat)) return undefined
    const isLinked = linked && stat.nlink > 1 && (stat.mode & S.IFMT) !== S.IFDIR
    const key = isLinked ? `${stat.dev}:${stat.ino}` : ''
    const file = this.#linked.get(key) ?? this.#fromLower(stat, joined(directory.lower, name))
    if (isLinked) this.#linked.set(key, file)
    directory.names.set(name, file)
    return file
  }

  /** Every name in a directory. */
  list(directory: ModelFile): Set<string> {
    const found = new Set<string>()
    if (directory.lower !== undefined) {
      for (const { name } of this.#start.lower?.list(directory.lower) ?? []) {
        const text = toBinary(name)
        if (this.find(directory, text)) found.add(text)
      }
    }
    for (const [name, file] of directory.names) if (file) found.add(name)
    return found
  }

  /** A new file, not in any directory yet. */
  make(mode: number, of: Partial<ModelFile> = {}): ModelFile {
    return {
      ino: this.#made++,
      mode,
      uid: 0,
      gid: 0,
      size: 0,
      mtimeNs: undefined,
      rdevMajor: 0,
      rdevMinor: 0,
      target: undefined,
      xattrs: new Map(),
      lower: undefined,
      isSet: true,
      names: new Map(),
      ...of,
    }
  }

  /** Puts a file in a directory, in place of what is there; undefined, nothing. */
  put(directory: ModelFile, name: string, file: ModelFile | undefined): void {
    directory.names.set(name, file)
    directory.mtimeNs = undefined
  }

  /** The extended attributes of a file. */
  xattrsOf(file: ModelFile): Map<string, Uint8Array> {
    file.xattrs ??= this.#lowerXattrs(file.lower)
    return file.xattrs
  }

  #lowerXattrs(path: string | undefined): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>()
    const { lower } = this.#start
    if (path === undefined || !lower) return found
    const { calls } = lower
    const [fd, name] = spotOf(lower, path)
    for (const attribute of calls.listxattr(fd, name)) {
      const value = calls.getxattr(fd, name, attribute)
      if (value) found.set(toBinary(attribute), value)
    }
    return found
  }

  #fromLower(stat: FileStat, path: string | undefined): ModelFile {
    const { mode, uid, gid, size, mtimeNs, rdevMajor, rdevMinor } = stat
    const isLink = (mode & S.IFMT) === S.IFLNK && path !== undefined
    return this.make(mode, {
      ...{ uid, gid, size, mtimeNs, rdevMajor, rdevMinor },
      target: isLink ? this.#lowerTarget(path) : undefined,
      xattrs: undefined,
      lower: path,
      isSet: false,
    })
  }

  #lowerTarget(path: string): Uint8Array | undefined {
    const { lower } = this.#start
    return lower?.calls.readlinkat(...spotOf(lower, path))
  }
}

/** A path as a directory's handle and a name in it; the root is its own, without a name. */
export function spotOf(root: SafeRoot, path: string): [dirfd: number, name: Uint8Array] {
  return [root.open(parentOf(path)).fd, fromBinary(baseOf(path))]
}
