/**
 * Linux file system calls as they are, one function for one call: synchronous, on bytes, relative
 * to directory descriptors.
 *
 * Paths and names are raw bytes without the terminating NUL; a NUL inside is refused (`EINVAL`).
 * An empty name means what `dirfd` itself is open on, which may then be an `O.PATH` descriptor.
 * Every failure throws a {@link SysError}. An interrupted call (`EINTR`) is made again, except
 * `close` and the syncs. Descriptors are always made close-on-exec, and are ordinary numbers of the
 * process: close them with {@link NativeCalls.close}, because Deno's `fs.closeSync` does not know
 * them.
 *
 * Make files with `openat` (`O.CREAT | O.EXCL | O.NOFOLLOW`) on a parent that `openat2` found: that
 * is as safe, and a preloaded fault injector sees it, where `openat2` is a bare system call.
 *
 * @module
 */
import type { DeviceCalls } from './device-calls.ts'
import type { MountCalls } from './mount-calls.ts'
import type { QuotaCalls } from './quota-calls.ts'

/** An operating-system error, shaped as those of `node:fs`. */
export interface SysError extends Error {
  /** `ENOENT`, `EEXIST`, … */
  readonly code: string
  /** Negative, as in Node. */
  readonly errno: number
  /** The call that failed. */
  readonly syscall: string
  /** What it was called on, if that was a path; bytes that are not UTF-8 appear as U+FFFD. */
  readonly path?: string
  /** The second path of a rename or link. */
  readonly dest?: string
}

/** What `statx` tells of a file. Sizes are bytes, times nanoseconds since 1970. */
export interface FileStat {
  /** Type and permissions; see {@link S}. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  /** Space on disk, in units of 512 bytes. */
  readonly blocks: number
  /** Exact: some file systems use all 64 bits. */
  readonly ino: bigint
  /** The file system that it is on, as one number; only good to compare. */
  readonly dev: number
  /** Of a device file. */
  readonly rdevMajor: number
  /** Of a device file. */
  readonly rdevMinor: number
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

/** One name in a directory. */
export interface DirEntry {
  /** Raw bytes; never `.` or `..`. */
  readonly name: Uint8Array
  /** See {@link DT}; `DT.UNKNOWN` on some file systems. */
  readonly type: number
}

/** How {@link NativeCalls.copyFileData} got the data across. */
export type CopyMethod = 'reflink' | 'copy_file_range' | 'read-write'

/** See the module's text. */
export interface NativeCalls extends MountCalls, DeviceCalls, QuotaCalls {
  /** Whether `openat2` exists (Linux 5.6) and no seccomp filter forbids it. */
  readonly hasOpenat2: boolean

  // ── descriptors ──────────────────────────────────────────────────────────────────────────────
  /** `EXDEV` if `resolve` forbids the way, `EAGAIN` if a rename raced with `IN_ROOT`/`BENEATH`. */
  openat2(dirfd: number, path: Uint8Array, flags: number, mode: number, resolve: number): number
  openat(dirfd: number, path: Uint8Array, flags: number, mode?: number): number
  /** Throws what a delayed write failed with (`EIO`, `ENOSPC`); the descriptor is gone anyway. */
  close(fd: number): void

  // ── names; no final symbolic link is followed unless a flag says so ──────────────────────────
  /** `mode` is subject to the umask. */
  mkdirat(dirfd: number, name: Uint8Array, mode: number): void
  /** As `mkdirat`, but false instead of `EEXIST`. */
  mkdirIfNone(dirfd: number, name: Uint8Array, mode: number): boolean
  /** Device, FIFO or socket by `mode`; the umask applies. A number that Linux has no room for is `EINVAL`. */
  mknodat(dirfd: number, name: Uint8Array, mode: number, major?: number, minor?: number): void
  symlinkat(target: Uint8Array, dirfd: number, name: Uint8Array): void
  linkat(fromDirfd: number, from: Uint8Array, toDirfd: number, to: Uint8Array, flags?: number): void
  /** With `AT.REMOVEDIR`, an empty directory. */
  unlinkat(dirfd: number, name: Uint8Array, flags?: number): void
  /** As `unlinkat`, but false instead of `ENOENT`. */
  unlinkIfAny(dirfd: number, name: Uint8Array, flags?: number): boolean
  /** With {@link RENAME} flags; `EINVAL` where the file system cannot. */
  renameat2(
    fromDirfd: number,
    from: Uint8Array,
    toDirfd: number,
    to: Uint8Array,
    flags?: number,
  ): void
  readlinkat(dirfd: number, name: Uint8Array): Uint8Array
  /** Every entry of an open directory but `.` and `..`, from its start, in no order. */
  readdir(fd: number): DirEntry[]

  // ── metadata ─────────────────────────────────────────────────────────────────────────────────
  fstat(fd: number): FileStat
  /** Does not follow a final symbolic link, unless `follow`. */
  statat(dirfd: number, name: Uint8Array, follow?: boolean): FileStat
  /** As `statat` without following, but undefined instead of `ENOENT`. */
  statIfAny(dirfd: number, name: Uint8Array): FileStat | undefined
  /** Not for an `O.PATH` descriptor. */
  fchmod(fd: number, mode: number): void
  /** Never follows; on a symbolic link it is `ENOTSUP`. */
  fchmodat(dirfd: number, name: Uint8Array, mode: number): void
  /** Also clears set-id bits and `security.capability`: call it before those are set. */
  fchown(fd: number, uid: number, gid: number): void
  /** Never follows. */
  fchownat(dirfd: number, name: Uint8Array, uid: number, gid: number): void
  futimens(fd: number, atimeNs: bigint, mtimeNs: bigint): void
  /** Never follows. */
  utimensat(dirfd: number, name: Uint8Array, atimeNs: bigint, mtimeNs: bigint): void

  // ── extended attributes; never followed ──────────────────────────────────────────────────────
  setxattr(dirfd: number, name: Uint8Array, attribute: Uint8Array, value: Uint8Array): void
  /** Undefined if there is none of that name (`ENODATA`) or the file system has none (`ENOTSUP`). */
  getxattr(dirfd: number, name: Uint8Array, attribute: Uint8Array): Uint8Array | undefined
  /** Names, in the file system's order; empty where it has no attributes (`ENOTSUP`). */
  listxattr(dirfd: number, name: Uint8Array): Uint8Array[]
  removexattr(dirfd: number, name: Uint8Array, attribute: Uint8Array): void

  // ── content ──────────────────────────────────────────────────────────────────────────────────
  /** At the descriptor's offset, or at `position`. Returns how many bytes; 0 is the end. */
  read(fd: number, buffer: Uint8Array, position?: number): number
  /** Writes all of `buffer`, in several calls if it must. */
  write(fd: number, buffer: Uint8Array, position?: number): void
  ftruncate(fd: number, size: number): void
  /** The next byte at or after `offset` that is not in a hole, undefined if there is none. */
  seekData(fd: number, offset: number): number | undefined
  /** The next hole at or after `offset`; the end of the file is one. */
  seekHole(fd: number, offset: number): number
  /** Shares all blocks of `from` with the empty file `to`; false where the file system cannot. */
  reflink(from: number, to: number): boolean
  /** Up to `length` bytes inside the kernel; returns how many. */
  copyFileRange(
    from: number,
    fromPosition: number,
    to: number,
    toPosition: number,
    length: number,
  ): number
  /**
   * Makes the empty file `to` hold what `from` holds: by reflink, else inside the kernel, else by
   * reading and writing, keeping holes.
   *
   * @param size of `from`, in bytes
   * @param tryReflink false where it is known that the file system cannot. Default true
   */
  copyFileData(from: number, to: number, size: number, tryReflink?: boolean): CopyMethod

  // ── safety ───────────────────────────────────────────────────────────────────────────────────
  fsync(fd: number): void
  fdatasync(fd: number): void
  /** Flushes the whole file system that `fd` is on; throws what went wrong since `fd` was opened. */
  syncfs(fd: number): void
  /** Tries to lock, without waiting; false if somebody else holds it. */
  flock(fd: number, operation: 'shared' | 'exclusive' | 'unlock'): boolean
  /**
   * The same for a range of bytes, whether the file has them or not; the lock belongs to the open
   * file (`F_OFD_SETLK`), not to the process. `EINVAL` where the kernel has no such locks.
   */
  lockRange(
    fd: number,
    start: number,
    length: number,
    operation: 'shared' | 'exclusive' | 'unlock',
  ): boolean
}
