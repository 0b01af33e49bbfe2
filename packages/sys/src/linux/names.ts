import { AT, O } from '../constants.ts'
import type { DirEntry, NativeCalls } from '../native-calls.ts'
import type { Context } from './context.ts'

type Names = Pick<
  NativeCalls,
  | 'hasOpenat2'
  | 'openat2'
  | 'openat'
  | 'close'
  | 'mkdirat'
  | 'mkdirIfNone'
  | 'mknodat'
  | 'symlinkat'
  | 'linkat'
  | 'unlinkat'
  | 'unlinkIfAny'
  | 'renameat2'
  | 'readlinkat'
  | 'readdir'
>

/** A page's worth of names is enough for most directories, this for nearly all. */
const DENTS_BYTES = 64 * 1024
/** Longest symbolic link target, as Linux has it. */
const LINK_BYTES = 4096

/** Calls that make, find and remove names. */
export function nameCalls(context: Context): Names {
  const { libc, path: at, path2: at2, again } = context
  const how = new BigUint64Array(3)
  const link = new Uint8Array(LINK_BYTES)
  const dents = new Uint8Array(DENTS_BYTES)

  const openat2: Names['openat2'] = (dirfd, path, flags, mode, resolve) => {
    const p = at(path, 'openat2')
    how[0] = BigInt(flags | O.CLOEXEC)
    how[1] = BigInt(mode)
    how[2] = BigInt(resolve)
    let fd: number
    do fd = libc.openat2(dirfd, p, how)
    while (fd < 0 && again('openat2', path))
    return fd
  }
  const mkdirIfNone: Names['mkdirIfNone'] = (dirfd, name, mode) => {
    if (libc.mkdirat(dirfd, at(name, 'mkdirat'), mode) >= 0) return true
    if (context.code() === 'EEXIST') return false
    throw context.error('mkdirat', name)
  }
  const unlinkIfAny: Names['unlinkIfAny'] = (dirfd, name, flags = 0) => {
    if (libc.unlinkat(dirfd, at(name, 'unlinkat'), flags) >= 0) return true
    if (context.code() === 'ENOENT') return false
    throw context.error('unlinkat', name)
  }
  return {
    hasOpenat2: probeOpenat2(context, how),
    openat2,
    openat(dirfd, path, flags, mode = 0) {
      const p = at(path, 'openat')
      let fd: number
      do fd = libc.openat(dirfd, p, flags | O.CLOEXEC, mode)
      while (fd < 0 && again('openat', path))
      return fd
    },
    close(fd) {
      // Linux has closed it even if it says EINTR; another thread may have got the number by now.
      if (libc.close(fd) < 0 && context.code() !== 'EINTR') throw context.error('close')
    },
    mkdirat(dirfd, name, mode) {
      if (libc.mkdirat(dirfd, at(name, 'mkdirat'), mode) < 0) throw context.error('mkdirat', name)
    },
    mkdirIfNone,
    mknodat(dirfd, name, mode, major = 0, minor = 0) {
      const dev = deviceNumber(major, minor)
      if (dev === undefined) throw context.invalid('mknodat', name)
      if (libc.mknodat(dirfd, at(name, 'mknodat'), mode, dev) < 0) {
        throw context.error('mknodat', name)
      }
    },
    symlinkat(target, dirfd, name) {
      const to = at2(target, 'symlinkat')
      if (libc.symlinkat(to, dirfd, at(name, 'symlinkat')) < 0) {
        throw context.error('symlinkat', target, name)
      }
    },
    linkat(fromDirfd, from, toDirfd, to, flags = 0) {
      const a = at(from, 'linkat')
      if (libc.linkat(fromDirfd, a, toDirfd, at2(to, 'linkat'), flags) < 0) {
        throw context.error('linkat', from, to)
      }
    },
    unlinkat(dirfd, name, flags = 0) {
      if (libc.unlinkat(dirfd, at(name, 'unlinkat'), flags) < 0) {
        throw context.error('unlinkat', name)
      }
    },
    unlinkIfAny,
    renameat2(fromDirfd, from, toDirfd, to, flags = 0) {
      const a = at(from, 'renameat2')
      if (libc.renameat2(fromDirfd, a, toDirfd, at2(to, 'renameat2'), flags) < 0) {
        throw context.error('renameat2', from, to)
      }
    },
    readlinkat(dirfd, name) {
      const length = libc.readlinkat(dirfd, at(name, 'readlinkat'), link, LINK_BYTES)
      if (length < 0) throw context.error('readlinkat', name)
      return link.slice(0, length)
    },
    readdir(fd) {
      if (libc.lseek(fd, 0, 0) < 0) throw context.error('lseek')
      const entries: DirEntry[] = []
      for (;;) {
        const bytes = libc.getdents64(fd, dents, DENTS_BYTES)
        if (bytes < 0) throw context.error('getdents64')
        if (bytes === 0) return entries
        readEntries(dents, bytes, entries)
      }
    },
  }
}

/** Takes apart `struct linux_dirent64`: u64 ino, u64 off, u16 reclen, u8 type, name and NUL. */
function readEntries(from: Uint8Array, bytes: number, into: DirEntry[]): void {
  for (let at = 0; at < bytes; ) {
    const length = (from[at + 16] as number) | ((from[at + 17] as number) << 8)
    const start = at + 19
    const end = from.indexOf(0, start)
    const dots = end - start <= 2 && from[start] === DOT && (from[end - 1] as number) === DOT
    if (!dots) into.push({ name: from.slice(start, end), type: from[at + 18] as number })
    at += length
  }
}

const DOT = 0x2e

/** What `makedev` gives, for the 12 and 20 bits that Linux keeps (include/linux/kdev_t.h). */
function deviceNumber(major: number, minor: number): number | undefined {
  if (!(major >= 0 && major < 2 ** 12 && minor >= 0 && minor < 2 ** 20)) return undefined
  return (minor & 0xff) + major * 2 ** 8 + (minor >>> 8) * 2 ** 20
}

function probeOpenat2(context: Context, how: BigUint64Array): boolean {
  how[0] = BigInt(O.PATH | O.CLOEXEC)
  const fd = context.libc.openat2(AT.FDCWD, context.path(new Uint8Array([0x2f]), 'openat2'), how)
  if (fd >= 0) context.libc.close(fd)
  return fd >= 0
}
