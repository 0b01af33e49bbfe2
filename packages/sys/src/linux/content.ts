import type { CopyMethod, NativeCalls } from '../native-calls.ts'
import type { Context } from './context.ts'

type Content = Pick<
  NativeCalls,
  | 'read'
  | 'write'
  | 'ftruncate'
  | 'seekData'
  | 'seekHole'
  | 'reflink'
  | 'copyFileRange'
  | 'copyFileData'
>

// unistd.h
const SEEK_DATA = 3
const SEEK_HOLE = 4
/** `_IOW(0x94, 9, int)`, linux/fs.h; the same number on x86_64 and arm64. */
const FICLONE = 0x40049409
/** How a file system, or the kernel between two of them, says that it cannot do this. */
const CANNOT: ReadonlySet<string> = new Set([
  'ENOTSUP',
  'EXDEV',
  'EINVAL',
  'ENOSYS',
  'ENOTTY',
  'EPERM',
  'EBADF',
])
const COPY_BYTES = 256 * 1024
/** The kernel moves at most this much at once (`MAX_RW_COUNT`, rounded down). */
const RANGE_BYTES = 1 << 30

/** Calls that read, write and copy what is in files. */
export function contentCalls(context: Context): Content {
  const { libc, again } = context
  const fromAt = new BigInt64Array(1)
  const toAt = new BigInt64Array(1)
  let buffer: Uint8Array | undefined

  const read: Content['read'] = (fd, into, position) => {
    let bytes: number
    do {
      bytes =
        position === undefined
          ? libc.read(fd, into, into.length)
          : libc.pread(fd, into, into.length, position)
    } while (bytes < 0 && again('read'))
    return bytes
  }
  const write: Content['write'] = (fd, from, position) => {
    for (let done = 0; done < from.length; ) {
      const rest = done === 0 ? from : from.subarray(done)
      const bytes =
        position === undefined
          ? libc.write(fd, rest, rest.length)
          : libc.pwrite(fd, rest, rest.length, position + done)
      if (bytes < 0) again('write')
      else done += bytes
    }
  }
  const seekHole: Content['seekHole'] = (fd, offset) => {
    const found = libc.lseek(fd, offset, SEEK_HOLE)
    if (found < 0) throw context.error('lseek')
    return found
  }
  const seekData: Content['seekData'] = (fd, offset) => {
    const found = libc.lseek(fd, offset, SEEK_DATA)
    if (found >= 0) return found
    if (context.code() === 'ENXIO') return undefined
    throw context.error('lseek')
  }
  const ftruncate: Content['ftruncate'] = (fd, size) => {
    while (libc.ftruncate(fd, size) < 0) again('ftruncate')
  }
  const reflink: Content['reflink'] = (from, to) => {
    if (libc.ioctl(to, FICLONE, from) >= 0) return true
    if (CANNOT.has(context.code())) return false
    throw context.error('ioctl(FICLONE)')
  }
  /** Undefined where the kernel cannot. */
  const range = (from: number, start: number, to: number, at: number, length: number) => {
    for (;;) {
      fromAt[0] = BigInt(start)
      toAt[0] = BigInt(at)
      const bytes = libc.copyFileRange(from, fromAt, to, toAt, Math.min(length, RANGE_BYTES))
      if (bytes >= 0) return bytes
      if (CANNOT.has(context.code())) return undefined
      again('copy_file_range')
    }
  }
  const byHand = (from: number, to: number, start: number, end: number) => {
    buffer ??= new Uint8Array(COPY_BYTES)
    for (let at = start; at < end; ) {
      const part = end - at < COPY_BYTES ? buffer.subarray(0, end - at) : buffer
      const bytes = read(from, part, at)
      if (bytes === 0) return
      write(to, part.subarray(0, bytes), at)
      at += bytes
    }
  }
  /** Copies one stretch without holes. */
  const stretch = (from: number, to: number, start: number, end: number): CopyMethod => {
    let at = start
    while (at < end) {
      const bytes = range(from, at, to, at, end - at)
      // Some file systems say 0 for files that they make up as they are read.
      if (!bytes) break
      at += bytes
    }
    if (at >= end) return 'copy_file_range'
    byHand(from, to, at, end)
    return 'read-write'
  }
  return {
    read,
    write,
    ftruncate,
    seekData,
    seekHole,
    reflink,
    copyFileRange(from, fromPosition, to, toPosition, length) {
      const bytes = range(from, fromPosition, to, toPosition, length)
      if (bytes === undefined) throw context.error('copy_file_range')
      return bytes
    },
    copyFileData(from, to, size, tryReflink = true) {
      if (size === 0) return 'copy_file_range'
      if (tryReflink && reflink(from, to)) return 'reflink'
      let end = seekHole(from, 0)
      let method: CopyMethod = 'copy_file_range'
      if (end < size) ftruncate(to, size)
      if (end > 0) method = stretch(from, to, 0, Math.min(end, size))
      while (end < size) {
        const start = seekData(from, end)
        if (start === undefined || start >= size) break
        end = seekHole(from, start)
        method = stretch(from, to, start, Math.min(end, size))
      }
      return method
    },
  }
}
