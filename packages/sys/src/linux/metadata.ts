import { AT, O } from '../constants.ts'
import type { FileStat, NativeCalls } from '../native-calls.ts'
import type { Context } from './context.ts'

type Metadata = Pick<
  NativeCalls,
  | 'fstat'
  | 'statat'
  | 'statIfAny'
  | 'fchmod'
  | 'fchmodat'
  | 'fchown'
  | 'fchownat'
  | 'futimens'
  | 'utimensat'
>

/** `STATX_BASIC_STATS` of linux/stat.h. */
const BASIC_STATS = 0x7ff
const NS = 1_000_000_000n
const NOTHING = new Uint8Array(0)

/** Calls that tell and change what a file is, beside its content and extended attributes. */
export function metadataCalls(context: Context): Metadata {
  const { libc, path: at } = context
  const raw = new Uint8Array(256)
  const view = new DataView(raw.buffer)
  const times = new BigInt64Array(4)

  const setTimes = (atimeNs: bigint, mtimeNs: bigint) => {
    putTime(times, 0, atimeNs)
    putTime(times, 2, mtimeNs)
    return times
  }
  const flagsFor = (name: Uint8Array) => (name.length === 0 ? AT.EMPTY_PATH : AT.SYMLINK_NOFOLLOW)
  const statx = (dirfd: number, name: Uint8Array, flags: number) =>
    libc.statx(dirfd, at(name, 'statx'), flags, BASIC_STATS, raw)

  /** For a descriptor that is only a place (`O.PATH`), and for an old C library. */
  const chmodByProc = (fd: number, name: Uint8Array, mode: number) => {
    if (libc.chmod(context.procPath(fd, NOTHING, 'chmod'), mode) < 0) {
      throw context.error('fchmodat', name)
    }
  }
  const chmodByPlace = (dirfd: number, name: Uint8Array, mode: number) => {
    const fd = libc.openat(dirfd, at(name, 'openat'), O.PATH | O.NOFOLLOW | O.CLOEXEC, 0)
    if (fd < 0) throw context.error('fchmodat', name)
    try {
      chmodByProc(fd, name, mode)
    } finally {
      libc.close(fd)
    }
  }
  return {
    fstat(fd) {
      if (statx(fd, NOTHING, AT.EMPTY_PATH) < 0) throw context.error('statx')
      return readStat(view)
    },
    statat(dirfd, name, follow = false) {
      const flags = follow && name.length > 0 ? 0 : flagsFor(name)
      if (statx(dirfd, name, flags) < 0) throw context.error('statx', name)
      return readStat(view)
    },
    statIfAny(dirfd, name) {
      if (statx(dirfd, name, flagsFor(name)) >= 0) return readStat(view)
      if (context.code() === 'ENOENT') return undefined
      throw context.error('statx', name)
    },
    fchmod(fd, mode) {
      if (libc.fchmod(fd, mode) < 0) throw context.error('fchmod')
    },
    fchmodat(dirfd, name, mode) {
      if (name.length === 0) {
        if (libc.fchmod(dirfd, mode) >= 0) return
        if (context.code() !== 'EBADF') throw context.error('fchmod')
        return chmodByProc(dirfd, name, mode)
      }
      if (libc.fchmodat(dirfd, at(name, 'fchmodat'), mode, AT.SYMLINK_NOFOLLOW) >= 0) return
      // glibc before 2.32 refuses the flag for every file.
      if (context.code() !== 'ENOTSUP') throw context.error('fchmodat', name)
      chmodByPlace(dirfd, name, mode)
    },
    fchown(fd, uid, gid) {
      if (libc.fchown(fd, uid, gid) < 0) throw context.error('fchown')
    },
    fchownat(dirfd, name, uid, gid) {
      if (libc.fchownat(dirfd, at(name, 'fchownat'), uid, gid, flagsFor(name)) < 0) {
        throw context.error('fchownat', name)
      }
    },
    futimens(fd, atimeNs, mtimeNs) {
      if (libc.futimens(fd, setTimes(atimeNs, mtimeNs)) < 0) throw context.error('futimens')
    },
    utimensat(dirfd, name, atimeNs, mtimeNs) {
      const value = setTimes(atimeNs, mtimeNs)
      if (libc.utimensat(dirfd, at(name, 'utimensat'), value, flagsFor(name)) < 0) {
        throw context.error('utimensat', name)
      }
    },
  }
}

function putTime(times: BigInt64Array, index: number, ns: bigint): void {
  let rest = ns % NS
  if (rest < 0n) rest += NS
  times[index] = (ns - rest) / NS
  times[index + 1] = rest
}

/** Reads `struct statx` of linux/stat.h. */
function readStat(view: DataView): FileStat {
  return {
    mode: view.getUint16(28, true),
    nlink: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    size: Number(view.getBigUint64(40, true)),
    blocks: Number(view.getBigUint64(48, true)),
    ino: view.getBigUint64(32, true),
    // Linux keeps 12 and 20 bits of it (include/linux/kdev_t.h).
    dev: view.getUint32(136, true) * 2 ** 20 + view.getUint32(140, true),
    rdevMajor: view.getUint32(128, true),
    rdevMinor: view.getUint32(132, true),
    atimeNs: readTime(view, 64),
    mtimeNs: readTime(view, 112),
    ctimeNs: readTime(view, 96),
  }
}

function readTime(view: DataView, at: number): bigint {
  return view.getBigInt64(at, true) * NS + BigInt(view.getUint32(at + 8, true))
}
