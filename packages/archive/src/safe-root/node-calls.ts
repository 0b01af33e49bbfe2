import fs from 'node:fs'
import { AT, DT, type FileStat, O, S } from '@varve/sys'
import { codeOf, type FileCalls } from './calls.ts'

/** How a directory descriptor and a name become a path for `node:fs`. */
export interface Places {
  /** Opens a directory, never through a symbolic link. */
  openDirectory(dirfd: number, name: Uint8Array): number
  /** Whether `fd` is one of `openDirectory`'s. */
  isDirectory(fd: number): boolean
  closeDirectory(fd: number): void
  /** A path to `name` in the directory; to the directory itself if `name` is empty. */
  place(dirfd: number, name: Uint8Array): Buffer
}

/**
 * Directories as descriptors that `/proc/self/fd` leads back to: a path of two steps, of which the
 * first cannot be exchanged by anybody. Undefined where that does not work.
 */
export function procfdPlaces(root: string): { places: Places; rootfd: number } | undefined {
  const flags = O.PATH | O.DIRECTORY | O.NOFOLLOW
  const open = new Set<number>()
  const place: Places['place'] = (dirfd, name) =>
    dirfd === AT.FDCWD
      ? Buffer.from(name)
      : Buffer.concat([Buffer.from(`/proc/self/fd/${dirfd}${name.length > 0 ? '/' : '/.'}`), name])
  let rootfd: number
  try {
    rootfd = fs.openSync(root, O.PATH | O.DIRECTORY)
    const direct = fs.statSync(root, { bigint: true })
    const found = fs.statSync(place(rootfd, new Uint8Array(0)), { bigint: true })
    if (direct.ino !== found.ino || direct.dev !== found.dev) {
      fs.closeSync(rootfd)
      return undefined
    }
  } catch {
    // No /proc, or descriptors of the runtime's own that the kernel does not know.
    return undefined
  }
  open.add(rootfd)
  const places: Places = {
    openDirectory(dirfd, name) {
      const fd = fs.openSync(place(dirfd, name), flags)
      open.add(fd)
      return fd
    },
    isDirectory: (fd) => open.has(fd),
    closeDirectory(fd) {
      open.delete(fd)
      fs.closeSync(fd)
    },
    place,
  }
  return { places, rootfd }
}

/**
 * Directories as paths, each component looked at when it is entered: all that is possible on systems
 * without such handles. Somebody who exchanges a directory for a symbolic link at the right moment
 * gets through.
 */
export function pathPlaces(root: string): { places: Places; rootfd: number } {
  // Numbers that no true descriptor has.
  const rootfd = 2 ** 30
  let next = rootfd + 1
  const paths = new Map<number, Buffer>([[rootfd, Buffer.from(fs.realpathSync(root))]])
  const place: Places['place'] = (dirfd, name) => {
    if (dirfd === AT.FDCWD) return Buffer.from(name)
    const path = paths.get(dirfd)
    if (path === undefined) throw failure('EBADF', 'open')
    return name.length === 0 ? path : Buffer.concat([path, Buffer.from('/'), name])
  }
  const places: Places = {
    openDirectory(dirfd, name) {
      const path = place(dirfd, name)
      const stat = fs.lstatSync(path)
      if (stat.isSymbolicLink()) throw failure('ELOOP', 'open')
      if (!stat.isDirectory()) throw failure('ENOTDIR', 'open')
      paths.set(next, path)
      return next++
    },
    isDirectory: (fd) => paths.has(fd),
    closeDirectory: (fd) => {
      paths.delete(fd)
    },
    place,
  }
  return { places, rootfd }
}

/**
 * {@link FileCalls} on `node:fs` alone. Times are kept to the microsecond; there are no extended
 * attributes, devices or FIFOs (`ENOSYS`), and holes are not seen.
 */
export function nodeCalls(places: Places): FileCalls {
  const { place } = places
  const isLink = (path: Buffer) => fs.lstatSync(path).isSymbolicLink()
  return {
    openat(dirfd, name, flags, mode) {
      if (flags & O.DIRECTORY) return places.openDirectory(dirfd, name)
      return fs.openSync(place(dirfd, name), flags, mode)
    },
    close: (fd) => (places.isDirectory(fd) ? places.closeDirectory(fd) : fs.closeSync(fd)),
    mkdirIfNone(dirfd, name, mode) {
      const path = place(dirfd, name)
      try {
        fs.mkdirSync(textIfAny(path), { mode })
        return true
      } catch (error) {
        // Not by its code: Deno has none to tell for a path that is a Buffer.
        if (fs.lstatSync(path, { throwIfNoEntry: false })) return false
        throw codeOf(error) === undefined ? failure('EIO', 'mkdir', error) : error
      }
    },
    mknodat: () => {
      throw failure('ENOSYS', 'mknod')
    },
    symlinkat: (target, dirfd, name) =>
      fs.symlinkSync(Buffer.from(target) as unknown as string, place(dirfd, name)),
    linkat: (fromDirfd, from, toDirfd, to) =>
      fs.linkSync(place(fromDirfd, from), place(toDirfd, to)),
    unlinkIfAny: (dirfd, name, flags = 0) =>
      unless('ENOENT', () =>
        flags & AT.REMOVEDIR ? fs.rmdirSync(place(dirfd, name)) : fs.unlinkSync(place(dirfd, name)),
      ),
    renameat2: (fromDirfd, from, toDirfd, to) =>
      fs.renameSync(place(fromDirfd, from), place(toDirfd, to)),
    readlinkat: (dirfd, name) => fs.readlinkSync(place(dirfd, name), { encoding: 'buffer' }),
    readdir: (fd) =>
      fs
        .readdirSync(place(fd, new Uint8Array(0)), { encoding: 'buffer' })
        .map((name) => ({ name, type: DT.UNKNOWN })),
    fstat(fd) {
      if (places.isDirectory(fd))
        return statOf(fs.lstatSync(place(fd, new Uint8Array(0)), { bigint: true }))
      return statOf(fs.fstatSync(fd, { bigint: true }))
    },
    statIfAny(dirfd, name) {
      const stat = fs.lstatSync(place(dirfd, name), { bigint: true, throwIfNoEntry: false })
      return stat && statOf(stat)
    },
    fchmod: (fd, mode) => fs.fchmodSync(fd, mode),
    fchmodat(dirfd, name, mode) {
      const path = place(dirfd, name)
      if (name.length > 0 && isLink(path)) throw failure('ENOTSUP', 'chmod')
      fs.chmodSync(path, mode)
    },
    fchown: (fd, uid, gid) => fs.fchownSync(fd, uid, gid),
    fchownat: (dirfd, name, uid, gid) => fs.lchownSync(place(dirfd, name), uid, gid),
    futimens: (fd, atime, mtime) => fs.futimesSync(fd, seconds(atime), seconds(mtime)),
    utimensat: (dirfd, name, atime, mtime) =>
      fs.lutimesSync(place(dirfd, name), seconds(atime), seconds(mtime)),
    setxattr: () => {
      throw failure('ENOTSUP', 'setxattr')
    },
    getxattr: () => undefined,
    listxattr: () => [],
    removexattr: () => {
      throw failure('ENOTSUP', 'removexattr')
    },
    read: (fd, buffer, position) =>
      fs.readSync(fd, buffer, 0, buffer.length, position === undefined ? null : position),
    write(fd, buffer, position) {
      for (let done = 0; done < buffer.length; ) {
        const at = position === undefined ? null : position + done
        done += fs.writeSync(fd, buffer, done, buffer.length - done, at)
      }
    },
    ftruncate: (fd, size) => fs.ftruncateSync(fd, size),
    seekData: (fd, offset) => (offset < fs.fstatSync(fd).size ? offset : undefined),
    seekHole: (fd) => fs.fstatSync(fd).size,
  }
}

function unless(code: string, call: () => unknown): boolean {
  try {
    call()
    return true
  } catch (error) {
    if ((error as { code?: unknown }).code === code) return false
    throw error
  }
}

function failure(code: string, syscall: string, cause?: unknown): Error {
  const message = `${code}: not possible with node:fs, ${syscall}`
  return Object.assign(new Error(message, { cause }), { code, syscall })
}

/** A path as text if its bytes are some. */
function textIfAny(path: Buffer): string | Buffer {
  const text = path.toString()
  return path.equals(Buffer.from(text)) ? text : path
}

/** As `node:fs` takes times: seconds as a number, which holds microseconds. */
function seconds(nanoseconds: bigint): number {
  return Number(nanoseconds / 1000n) / 1e6
}

function statOf(stat: fs.BigIntStats): FileStat {
  // The encoding of dev_t in glibc's <sys/sysmacros.h>.
  const rdev = stat.rdev
  const isLong =
    (Number(stat.mode) & S.IFMT) === S.IFCHR || (Number(stat.mode) & S.IFMT) === S.IFBLK
  return {
    mode: Number(stat.mode),
    nlink: Number(stat.nlink),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: Number(stat.size),
    blocks: Number(stat.blocks),
    ino: stat.ino,
    dev: Number(stat.dev),
    rdevMajor: isLong ? Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)) : 0,
    rdevMinor: isLong ? Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)) : 0,
    atimeNs: stat.atimeNs,
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
  }
}
