import type { SysError } from '../native-calls.ts'
import type { Libc } from './libc.ts'

/** Linux's `PATH_MAX`, the terminating NUL included. */
const PATH_MAX = 4096

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * What the groups of calls share: the library, buffers for two paths (calls are synchronous, so
 * two are enough for all of them), and the way a failure is told.
 */
export interface Context {
  readonly libc: Libc
  /** `path` with a NUL behind it, in the first buffer. */
  path(path: Uint8Array, syscall: string): Uint8Array
  /** The same in the second buffer. */
  path2(path: Uint8Array, syscall: string): Uint8Array
  /** `/proc/self/fd/DIRFD/NAME`, or as short as it can be, in the first buffer. */
  procPath(dirfd: number, name: Uint8Array, syscall: string): Uint8Array
  /** True if the failed call was interrupted and shall be made again; otherwise throws. */
  again(syscall: string, path?: Uint8Array, dest?: Uint8Array): true
  /** A failure as an error. */
  errorOf(errno: number, syscall: string, path?: Uint8Array, dest?: Uint8Array): SysError
  /** The last failure as an error. */
  error(syscall: string, path?: Uint8Array, dest?: Uint8Array): SysError
  /** `EINVAL`, for an argument that would not reach the kernel whole. */
  invalid(syscall: string, path?: Uint8Array): SysError
  /** The name of the last failure. */
  code(): string
}

export function createContext(libc: Libc): Context {
  const first = new Uint8Array(PATH_MAX)
  const second = new Uint8Array(PATH_MAX)
  const errorOf = (errno: number, syscall: string, path?: Uint8Array, dest?: Uint8Array) =>
    sysError(libc.nameOf(errno), errno, libc.messageOf(errno), syscall, path, dest)
  const fill = (buffer: Uint8Array, at: number, path: Uint8Array, syscall: string) => {
    if (at + path.length >= PATH_MAX) throw errorOf(ENAMETOOLONG, syscall, path)
    if (path.includes(0)) throw errorOf(EINVAL, syscall, path)
    buffer.set(path, at)
    buffer[at + path.length] = 0
    return buffer
  }
  return {
    libc,
    path: (path, syscall) => fill(first, 0, path, syscall),
    path2: (path, syscall) => fill(second, 0, path, syscall),
    procPath(dirfd, name, syscall) {
      if (dirfd < 0 || name[0] === SLASH) return fill(first, 0, name, syscall)
      const prefix = `/proc/self/fd/${dirfd}${name.length > 0 ? '/' : ''}`
      encoder.encodeInto(prefix, first)
      return fill(first, prefix.length, name, syscall)
    },
    again(syscall, path, dest) {
      const errno = libc.errno()
      if (errno === EINTR) return true
      throw errorOf(errno, syscall, path, dest)
    },
    errorOf,
    error: (syscall, path, dest) => errorOf(libc.errno(), syscall, path, dest),
    invalid: (syscall, path) => errorOf(EINVAL, syscall, path),
    code: () => libc.nameOf(libc.errno()),
  }
}

// asm-generic/errno-base.h and errno.h, the same on x86_64 and arm64.
const EINTR = 4
const EINVAL = 22
const ENAMETOOLONG = 36
const SLASH = 0x2f

/** An error as `node:fs` would throw it: `ENOENT: no such file or directory, openat 'name'`. */
export function sysError(
  code: string,
  errno: number,
  message: string,
  syscall: string,
  path?: Uint8Array,
  dest?: Uint8Array,
): SysError {
  const from = path && path.length > 0 ? decoder.decode(path) : undefined
  const to = dest && dest.length > 0 ? decoder.decode(dest) : undefined
  const on = (from === undefined ? '' : ` '${from}'`) + (to === undefined ? '' : ` -> '${to}'`)
  return Object.assign(new Error(`${code}: ${message}, ${syscall}${on}`), {
    code,
    errno: -errno,
    syscall,
    ...(from === undefined ? {} : { path: from }),
    ...(to === undefined ? {} : { dest: to }),
  })
}
