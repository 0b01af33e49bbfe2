import { S } from '@varve/sys'
import type { TarEntry, TarTime } from '@varve/tar'
import { fromBinary, toBinary } from '../safe-root/binary.ts'
import { codeOf, type FileCalls } from '../safe-root/calls.ts'
import { invalid } from './entry-name.ts'
import type { ApplyOptions, Omitted } from './options.ts'
import type { WhiteoutStrategy } from './whiteouts.ts'

/** Greatest id; the next one, −1 as an unsigned number, means “leave it” to chown. */
const MAX_ID = 0xffff_fffe
const MAX_TIME_NS = 2n ** 63n - 1n
/** What a user or file system says that cannot keep an attribute. */
const NOT_KEPT: ReadonlySet<string | undefined> = new Set([
  'ENOTSUP',
  'EOPNOTSUPP',
  'EPERM',
  'EACCES',
  'EINVAL',
])
/** `chown` in a user namespace that has no such id, or by somebody who is not root. */
const NO_OWNER: ReadonlySet<string | undefined> = new Set(['EPERM', 'EINVAL'])
const SELF = new Uint8Array(0)
/** Set by the system, not by layers. */
const OF_THE_SYSTEM = 'security.selinux'

/** Settings of one apply that metadata depends on. */
export interface MetadataRules {
  readonly calls: FileCalls
  readonly keepOwner: boolean
  /** Fail, rather than go without, where an owner cannot be kept. */
  readonly strictOwner: boolean
  readonly mapOwner: ApplyOptions['mapOwner']
  readonly whiteouts: WhiteoutStrategy
  /** Owner that new files have here. */
  readonly user: readonly [uid: number, gid: number]
  /** Permissions that the system takes away from new files; all, if that is not known. */
  readonly umask: number
  readonly omitted: Omitted
}

/**
 * The owner an entry shall have here.
 *
 * @throws LayerError `ERR_INVALID_TAR` for an id that is none or has no counterpart here
 */
function ownerOf(rules: MetadataRules, entry: TarEntry): readonly [uid: number, gid: number] {
  const { uid, gid } = entry
  if (!isID(uid) || !isID(gid)) throw invalid(toBinary(entry.name), `owner ${uid}:${gid} is none`)
  const mapped = rules.mapOwner ? rules.mapOwner(uid, gid) : ([uid, gid] as const)
  if (mapped) return mapped
  throw invalid(toBinary(entry.name), `owner ${uid}:${gid} has no counterpart here`)
}

function isID(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id <= MAX_ID
}

/** Sets what the entry has. */
function setXattrs(rules: MetadataRules, entry: TarEntry, dirfd: number, name: Uint8Array): void {
  for (const [given, value] of entry.xattrs) {
    const kept = rules.whiteouts.xattrName(given)
    try {
      if (kept === undefined) rules.omitted.xattrs++
      else rules.calls.setxattr(dirfd, name, Buffer.from(kept), value)
    } catch (error) {
      if (!NOT_KEPT.has(codeOf(error))) throw error
      rules.omitted.xattrs++
    }
  }
}

/** Removes the attributes that something had before and the entry does not have. */
export function removeOtherXattrs(
  rules: MetadataRules,
  entry: TarEntry,
  dirfd: number,
  name: Uint8Array,
): void {
  const wanted = new Set([OF_THE_SYSTEM])
  for (const given of entry.xattrs.keys()) {
    const kept = rules.whiteouts.xattrName(given)
    if (kept !== undefined) wanted.add(kept)
  }
  const { apart } = rules.whiteouts
  for (const attribute of rules.calls.listxattr(dirfd, name)) {
    const key = Buffer.from(attribute).toString()
    if (wanted.has(key) || apart?.isMark(key)) continue
    try {
      rules.calls.removexattr(dirfd, name, attribute)
    } catch (error) {
      if (!NOT_KEPT.has(codeOf(error))) throw error
    }
  }
}

/**
 * Gives a name an entry's metadata, in the one order that keeps all of it: changing the owner clears
 * set-id bits and capabilities, and everything changes the times but setting those.
 *
 * @param name a binary string; if empty, what `dirfd` itself is open on
 */
export function setMetadata(
  rules: MetadataRules,
  entry: TarEntry,
  dirfd: number,
  name: string,
): void {
  const { calls } = rules
  const bytes = fromBinary(name)
  const stat = name === '' ? calls.fstat(dirfd) : calls.statIfAny(dirfd, bytes)
  if (!stat) return
  setOwner(rules, entry, stat, (uid, gid) => calls.fchownat(dirfd, bytes, uid, gid))
  if (entry.xattrs.size > 0) setXattrs(rules, entry, dirfd, bytes)
  if ((stat.mode & S.IFMT) !== S.IFLNK) calls.fchmodat(dirfd, bytes, entry.mode & 0o7777)
}

/** The same, times included, for a file that this apply has just made, filled and still holds open. */
export function finishNewFile(
  rules: MetadataRules,
  entry: TarEntry,
  fd: number,
  inheritsGroup: boolean,
): void {
  const { calls, user } = rules
  const now = inheritsGroup ? calls.fstat(fd) : { uid: user[0], gid: user[1] }
  setOwner(rules, entry, now, (uid, gid) => calls.fchown(fd, uid, gid))
  if (entry.xattrs.size > 0) setXattrs(rules, entry, fd, SELF)
  const mode = entry.mode & 0o7777
  if ((mode & ~0o777) !== 0 || (mode & rules.umask) !== 0) calls.fchmod(fd, mode)
  const [atimeNs, mtimeNs] = timesOf(entry)
  calls.futimens(fd, atimeNs, mtimeNs)
}

/** Changes the owner if it is another one: that alone would cost capabilities. */
function setOwner(
  rules: MetadataRules,
  entry: TarEntry,
  now: { readonly uid: number; readonly gid: number },
  chown: (uid: number, gid: number) => void,
): void {
  const [uid, gid] = ownerOf(rules, entry)
  if (uid === now.uid && gid === now.gid) return
  try {
    if (rules.keepOwner) {
      chown(uid, gid)
      return
    }
  } catch (error) {
    if (rules.strictOwner || !NO_OWNER.has(codeOf(error))) throw error
  }
  rules.omitted.owners++
}

/** Access and modification time of an entry, in ns. */
export function timesOf(entry: TarEntry): readonly [atimeNs: bigint, mtimeNs: bigint] {
  const mtime = nanoseconds(entry.mtime)
  if (!entry.atime) return [mtime, mtime]
  const atime = nanoseconds(entry.atime)
  return atime > mtime ? [atime, mtime] : [mtime, mtime]
}

/** What the system cannot hold becomes 0, as in moby and containerd. */
function nanoseconds({ sec, nsec }: TarTime): bigint {
  if (!Number.isSafeInteger(sec) || sec < 0) return 0n
  const ns = BigInt(sec) * 1_000_000_000n + BigInt(nsec)
  return ns > MAX_TIME_NS ? 0n : ns
}
