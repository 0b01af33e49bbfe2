import type { NativeCalls } from '../native-calls.ts'
import type { Context } from './context.ts'

type Xattrs = Pick<NativeCalls, 'setxattr' | 'getxattr' | 'listxattr' | 'removexattr'>

/** Largest value and largest list of names that Linux allows (linux/limits.h, `XATTR_SIZE_MAX`). */
const XATTR_BYTES = 65_536
/** A value must have an address even if it is empty. */
const EMPTY = new Uint8Array(1)

/**
 * Calls on extended attributes.
 *
 * Linux has them only by descriptor, which may not be an `O.PATH` one, or by path; the path of
 * what a descriptor is open on is in `/proc/self/fd`.
 */
export function xattrCalls(context: Context): Xattrs {
  const { libc, path2: attributeOf, procPath } = context
  const buffer = new Uint8Array(XATTR_BYTES)

  /** Undefined if there is none. */
  const answer = (length: number, syscall: string, name: Uint8Array): Uint8Array | undefined => {
    if (length >= 0) return buffer.slice(0, length)
    const code = context.code()
    if (code === 'ENODATA' || code === 'ENOTSUP') return undefined
    throw context.error(syscall, name)
  }
  return {
    setxattr(dirfd, name, attribute, value) {
      const a = attributeOf(attribute, 'setxattr')
      const v = value.length === 0 ? EMPTY : value
      let result: number
      if (name.length > 0) {
        result = libc.lsetxattr(procPath(dirfd, name, 'setxattr'), a, v, value.length, 0)
      } else {
        result = libc.fsetxattr(dirfd, a, v, value.length, 0)
        if (result < 0 && context.code() === 'EBADF') {
          result = libc.setxattr(procPath(dirfd, name, 'setxattr'), a, v, value.length, 0)
        }
      }
      if (result < 0) throw context.error('setxattr', name.length > 0 ? name : attribute)
    },
    getxattr(dirfd, name, attribute) {
      const a = attributeOf(attribute, 'getxattr')
      let length: number
      if (name.length > 0) {
        length = libc.lgetxattr(procPath(dirfd, name, 'getxattr'), a, buffer, XATTR_BYTES)
      } else {
        length = libc.fgetxattr(dirfd, a, buffer, XATTR_BYTES)
        if (length < 0 && context.code() === 'EBADF') {
          length = libc.getxattr(procPath(dirfd, name, 'getxattr'), a, buffer, XATTR_BYTES)
        }
      }
      return answer(length, 'getxattr', name)
    },
    listxattr(dirfd, name) {
      let length: number
      if (name.length > 0) {
        length = libc.llistxattr(procPath(dirfd, name, 'listxattr'), buffer, XATTR_BYTES)
      } else {
        length = libc.flistxattr(dirfd, buffer, XATTR_BYTES)
        if (length < 0 && context.code() === 'EBADF') {
          length = libc.listxattr(procPath(dirfd, name, 'listxattr'), buffer, XATTR_BYTES)
        }
      }
      if (length === 0) return []
      return splitNames(answer(length, 'listxattr', name))
    },
    removexattr(dirfd, name, attribute) {
      const a = attributeOf(attribute, 'removexattr')
      let result: number
      if (name.length > 0) {
        result = libc.lremovexattr(procPath(dirfd, name, 'removexattr'), a)
      } else {
        result = libc.fremovexattr(dirfd, a)
        if (result < 0 && context.code() === 'EBADF') {
          result = libc.removexattr(procPath(dirfd, name, 'removexattr'), a)
        }
      }
      if (result < 0) throw context.error('removexattr', name.length > 0 ? name : attribute)
    },
  }
}

/** Names, each with a NUL behind it. */
function splitNames(list: Uint8Array | undefined): Uint8Array[] {
  const names: Uint8Array[] = []
  if (!list) return names
  for (let start = 0; start < list.length; ) {
    const end = list.indexOf(0, start)
    names.push(list.subarray(start, end))
    start = end + 1
  }
  return names
}
