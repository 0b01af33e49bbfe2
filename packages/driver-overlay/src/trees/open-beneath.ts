import { AT, type NativeCalls, O, RESOLVE } from '@varve/sys'

const SLASH = 0x2f
/** Less than Linux's PATH_MAX; a deeper path is gone in several steps. */
const STEP_BYTES = 4000
const FLAGS = O.RDONLY | O.DIRECTORY | O.NOFOLLOW
/** Neither out of the tree, nor through a link, nor into what is mounted on it. */
const RESOLVE_FLAGS = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_XDEV

/** Opens a directory by its path, for the root of a tree. */
export function openRoot(native: NativeCalls, path: string): number {
  return native.openat(AT.FDCWD, new TextEncoder().encode(path), FLAGS)
}

/**
 * Opens a directory inside a tree, by a path of any length that names only real directories.
 *
 * @param root descriptor of the tree's root
 * @param path `a/b/c`; empty for the root itself
 * @throws SysError `EXDEV` for a mount point, `ELOOP` or `ENOTDIR` for a symbolic link
 */
export function openBeneath(native: NativeCalls, root: number, path: Uint8Array): number {
  const step = native.hasOpenat2 ? STEP_BYTES : 1
  let fd = native.openat(root, DOT, FLAGS)
  try {
    for (let at = 0; at < path.length; ) {
      const end = endOfStep(path, at, step)
      const next = openStep(native, fd, path.subarray(at, end))
      native.close(fd)
      fd = next
      at = end + 1
    }
    return fd
  } catch (error) {
    native.close(fd)
    throw error
  }
}

const DOT = new Uint8Array([0x2e])

/** The longest run of whole components within `step` bytes, one at least. */
function endOfStep(path: Uint8Array, at: number, step: number): number {
  if (path.length - at <= step) return path.length
  const last = path.lastIndexOf(SLASH, at + step)
  if (last > at) return last
  const first = path.indexOf(SLASH, at)
  return first < 0 ? path.length : first
}

function openStep(native: NativeCalls, fd: number, path: Uint8Array): number {
  if (native.hasOpenat2) return native.openat2(fd, path, FLAGS, 0, RESOLVE_FLAGS)
  const next = native.openat(fd, path, FLAGS)
  if (native.fstat(next).dev === native.fstat(fd).dev) return next
  native.close(next)
  throw Object.assign(new Error('EXDEV: a file system is mounted here'), { code: 'EXDEV' })
}

/** `name` in the directory `path`. */
export function joinPath(path: Uint8Array, name: Uint8Array): Uint8Array {
  if (path.length === 0) return name
  const joined = new Uint8Array(path.length + 1 + name.length)
  joined.set(path)
  joined[path.length] = SLASH
  joined.set(name, path.length + 1)
  return joined
}

/** The directory part of a path, empty for the root, and its last name. */
export function splitPath(path: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const slash = path.lastIndexOf(SLASH)
  return slash < 0
    ? [path.subarray(0, 0), path]
    : [path.subarray(0, slash), path.subarray(slash + 1)]
}
