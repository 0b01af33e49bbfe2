import { type FileStat, S } from '@varve/sys'
import type { TarEntry } from '@varve/tar'
import { timesOf } from '../apply/metadata.ts'
import type { WhiteoutStrategy } from '../apply/whiteouts.ts'
import { inodeKey } from '../diff/compare-trees.ts'
import { baseOf, fromBinary, shown, toBinary } from '../safe-root/binary.ts'
import type { FileCalls } from '../safe-root/calls.ts'
import type { Expected } from './expected-tree.ts'

/** What can be the same here at all. */
export interface VerifyRules {
  readonly owners: boolean
  readonly mapOwner:
    | ((uid: number, gid: number) => readonly [uid: number, gid: number] | undefined)
    | undefined
  readonly devices: boolean
  readonly xattrs: 'all' | 'user' | 'none'
  /** To the nanosecond rather than the microsecond. */
  readonly exactTimes: boolean
  readonly whiteouts: WhiteoutStrategy
}

const TYPE_NAMES: ReadonlyMap<number, TarEntry['type']> = new Map([
  [S.IFREG, 'file'],
  [S.IFDIR, 'directory'],
  [S.IFLNK, 'symlink'],
  [S.IFCHR, 'char'],
  [S.IFBLK, 'block'],
  [S.IFIFO, 'fifo'],
])
const OF_THE_SYSTEM = 'security.selinux'

/** What is different about one name, each as a text. */
export function* compareFile(
  calls: FileCalls,
  dirfd: number,
  path: string,
  file: Expected,
  rules: VerifyRules,
): Generator<string> {
  const name = fromBinary(baseOf(path))
  const stat = path === '' ? calls.fstat(dirfd) : calls.statIfAny(dirfd, name)
  const isDevice = file.made !== undefined && ['char', 'block', 'fifo'].includes(file.made.type)
  if (!stat) {
    if (!isDevice || rules.devices) yield `${shown(path)}: it is missing`
    return
  }
  const inode = inodeKey(stat)
  file.seen ??= { inode, name: path }
  if (file.seen.inode !== inode) {
    yield `${shown(path)}: it is no longer the same file as ${shown(file.seen.name)}`
  }
  if (file.made) yield* compareKind(calls, dirfd, name, path, stat, file.made)
  yield* compareMetadata(path, stat, file.metadata, rules)
  yield* compareXattrs(calls, dirfd, name, path, file, rules)
}

function* compareKind(
  calls: FileCalls,
  dirfd: number,
  name: Uint8Array,
  path: string,
  stat: FileStat,
  made: TarEntry,
): Generator<string> {
  const type = TYPE_NAMES.get(stat.mode & S.IFMT) ?? 'socket'
  if (type !== made.type) {
    yield `${shown(path)}: it is a ${type} instead of a ${made.type}`
    return
  }
  if (type === 'file' && stat.size !== made.size) {
    yield `${shown(path)}: size is ${stat.size} instead of ${made.size}`
  }
  if (type === 'symlink') {
    const [is, was] = [toBinary(calls.readlinkat(dirfd, name)), toBinary(made.linkname)]
    if (is !== was) yield `${shown(path)}: target is ${shown(is)} instead of ${shown(was)}`
  }
  if (type === 'char' || type === 'block') {
    const [is, was] = [`${stat.rdevMajor}:${stat.rdevMinor}`, `${made.devmajor}:${made.devminor}`]
    if (is !== was) yield `${shown(path)}: device is ${is} instead of ${was}`
  }
}

function* compareMetadata(
  path: string,
  stat: FileStat,
  entry: TarEntry,
  rules: VerifyRules,
): Generator<string> {
  const isSymlink = (stat.mode & S.IFMT) === S.IFLNK
  // A hard link to a symbolic link leaves the link as it is.
  if (isSymlink && entry.type === 'link') return
  const [is, was] = [stat.mode & 0o7777, entry.mode & 0o7777]
  if (!isSymlink && is !== was) {
    yield `${shown(path)}: mode is ${octal(is)} instead of ${octal(was)}`
  }
  if (rules.owners) {
    const [uid, gid] = rules.mapOwner?.(entry.uid, entry.gid) ?? [entry.uid, entry.gid]
    if (stat.uid !== uid || stat.gid !== gid) {
      yield `${shown(path)}: owner is ${stat.uid}:${stat.gid} instead of ${uid}:${gid}`
    }
  }
  // Docker does not give the root directory what the layer says of it.
  if (path === '') return
  const [, mtimeNs] = timesOf(entry)
  const unit = rules.exactTimes ? 1n : 1000n
  if (stat.mtimeNs / unit !== mtimeNs / unit) {
    yield `${shown(path)}: time is ${time(stat.mtimeNs)} instead of ${time(mtimeNs)}`
  }
}

function* compareXattrs(
  calls: FileCalls,
  dirfd: number,
  name: Uint8Array,
  path: string,
  file: Expected,
  rules: VerifyRules,
): Generator<string> {
  if (rules.xattrs === 'none') return
  const { xattrName, apart } = rules.whiteouts
  const { type } = file.metadata
  const xattrs = new Map<string, Uint8Array>()
  for (const [given, value] of file.metadata.xattrs) {
    const key = xattrName(given)
    if (key !== undefined) xattrs.set(key, value)
  }
  for (const [key, was] of xattrs) {
    if (rules.xattrs === 'user' && !key.startsWith('user.')) continue
    const is = calls.getxattr(dirfd, name, Buffer.from(key))
    if (!is) yield `${shown(path)}: xattr ${shown(key)} is missing`
    else if (Buffer.compare(is, was) !== 0) yield `${shown(path)}: xattr ${shown(key)} differs`
  }
  // A hard link's header adds to what its file has.
  if (type === 'link') return
  for (const attribute of calls.listxattr(dirfd, name)) {
    const key = Buffer.from(attribute).toString()
    if (key !== OF_THE_SYSTEM && !xattrs.has(key) && !apart?.isMark(key)) {
      yield `${shown(path)}: xattr ${shown(key)} is not the layer's`
    }
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

function time(ns: bigint): string {
  const nanos = (ns % 1_000_000_000n).toString().replace('-', '').padStart(9, '0')
  return `${ns / 1_000_000_000n}.${nanos}`
}
