import { type FileStat, S } from '@varve/sys'
import { inodeKey } from '../diff/compare-trees.ts'
import { fromBinary, readable, shown, toBinary } from '../safe-root/binary.ts'
import type { FileCalls } from '../safe-root/calls.ts'
import type { ModelFile, ModelTree } from './model-tree.ts'

/** What can be the same here at all. */
export interface VerifyRules {
  readonly owners: boolean
  readonly devices: boolean
  readonly xattrs: 'all' | 'user' | 'none'
  /** To the nanosecond rather than the microsecond. */
  readonly exactTimes: boolean
  /** Whether another tool made the tree. */
  readonly foreign: boolean
  /** As in a `WhiteoutStrategy`: what it does not keep is not compared. */
  readonly xattrName: (name: string) => string | undefined
}

/** A name that is there. */
export interface Found {
  readonly calls: FileCalls
  readonly dirfd: number
  /** Empty for the root, which `dirfd` is open on. */
  readonly name: Uint8Array
  readonly path: string
  readonly stat: FileStat
}

/** Files that were found: under which name first, and as what. */
export type Seen = Map<ModelFile, { readonly inode: string; readonly path: string }>

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [S.IFREG, 'file'],
  [S.IFDIR, 'directory'],
  [S.IFLNK, 'symlink'],
  [S.IFCHR, 'char'],
  [S.IFBLK, 'block'],
  [S.IFIFO, 'fifo'],
])
const DEVICES: ReadonlySet<number> = new Set([S.IFCHR, S.IFBLK, S.IFIFO])
/** Set by the system, not by layers. */
const OF_THE_SYSTEM = 'security.selinux'
/** All that Docker copies from layer to layer with every file (moby daemon/graphdriver/copy). */
const COPIED_BY_ALL = 'security.capability'

/** Whether a file may be missing because this user could not make it. */
export function mayBeMissing(file: ModelFile, rules: VerifyRules): boolean {
  return !rules.devices && DEVICES.has(file.mode & S.IFMT)
}

/** What is different about a name, content aside; each as a text. */
export function* compareFile(
  found: Found,
  file: ModelFile,
  model: ModelTree,
  seen: Seen,
  rules: VerifyRules,
): Generator<string> {
  const { path, stat } = found
  const [is, was] = [typeOf(stat), typeOf(file)]
  if (is !== was) {
    yield `${shown(path)}: it is a ${is} instead of a ${was}`
    return
  }
  if (was !== 'directory') yield* compareNames(found, file, seen)
  if (was === 'file' && stat.size !== file.size) {
    yield `${shown(path)}: size is ${stat.size} instead of ${file.size}`
  }
  if (was === 'symlink') yield* compareTarget(found, file)
  if (was === 'char' || was === 'block') {
    const [now, before] = [stat, file].map((of) => `${of.rdevMajor}:${of.rdevMinor}`)
    if (now !== before) yield `${shown(path)}: device is ${now} instead of ${before}`
  }
  // Of a directory on the way that no entry names, each tool makes what it likes.
  if (rules.foreign && file.lower === undefined && file.mtimeNs === undefined) return
  yield* compareMetadata(path, stat, file, rules)
  if (rules.xattrs !== 'none') yield* compareXattrs(found, file, model, rules)
}

function* compareNames({ path, stat }: Found, file: ModelFile, seen: Seen): Generator<string> {
  const inode = inodeKey(stat)
  const first = seen.get(file)
  if (!first) seen.set(file, { inode, path })
  else if (first.inode !== inode) {
    yield `${shown(path)}: it is no longer the same file as ${shown(first.path)}`
  }
}

function* compareTarget({ calls, dirfd, name, path }: Found, file: ModelFile): Generator<string> {
  const is = toBinary(calls.readlinkat(dirfd, name))
  const was = toBinary(file.target ?? new Uint8Array(0))
  if (is !== was) yield `${shown(path)}: target is ${shown(is)} instead of ${shown(was)}`
}

function* compareMetadata(
  path: string,
  stat: FileStat,
  file: ModelFile,
  rules: VerifyRules,
): Generator<string> {
  const [is, was] = [stat.mode & 0o7777, file.mode & 0o7777]
  if (typeOf(file) !== 'symlink' && is !== was) {
    yield `${shown(path)}: mode is ${octal(is)} instead of ${octal(was)}`
  }
  if (rules.owners && (stat.uid !== file.uid || stat.gid !== file.gid)) {
    yield `${shown(path)}: owner is ${stat.uid}:${stat.gid} instead of ${file.uid}:${file.gid}`
  }
  // Docker does not give the root directory what the layer says of it.
  if (path === '' || file.mtimeNs === undefined) return
  const unit = rules.exactTimes ? 1n : 1000n
  if (stat.mtimeNs / unit !== file.mtimeNs / unit) {
    yield `${shown(path)}: time is ${time(stat.mtimeNs)} instead of ${time(file.mtimeNs)}`
  }
}

function* compareXattrs(
  { calls, dirfd, name, path }: Found,
  file: ModelFile,
  model: ModelTree,
  rules: VerifyRules,
): Generator<string> {
  const isCompared = (key: string): boolean => {
    if (key === OF_THE_SYSTEM || rules.xattrName(readable(key)) === undefined) return false
    if (rules.foreign && !file.isSet) return key === COPIED_BY_ALL
    return rules.xattrs === 'all' || key.startsWith('user.')
  }
  const expected = model.xattrsOf(file)
  const names = new Set(calls.listxattr(dirfd, name).map(toBinary))
  for (const [key, was] of expected) {
    if (!isCompared(key)) continue
    const is = names.has(key) ? calls.getxattr(dirfd, name, fromBinary(key)) : undefined
    if (!is) yield `${shown(path)}: xattr ${shown(key)} is missing`
    else if (Buffer.compare(is, was) !== 0) yield `${shown(path)}: xattr ${shown(key)} differs`
  }
  for (const key of names) {
    if (!expected.has(key) && isCompared(key)) {
      yield `${shown(path)}: xattr ${shown(key)} is not the layer's`
    }
  }
}

/** What a file is, as people call it. */
function typeOf({ mode }: { readonly mode: number }): string {
  return TYPE_NAMES.get(mode & S.IFMT) ?? 'socket'
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

function time(ns: bigint): string {
  const nanos = (ns % 1_000_000_000n).toString().replace('-', '').padStart(9, '0')
  return `${ns / 1_000_000_000n}.${nanos}`
}
