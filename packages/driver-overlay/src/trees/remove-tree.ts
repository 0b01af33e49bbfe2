import { AT, DT, type NativeCalls, type SysError } from '@varve/sys'
import { joinPath, openBeneath, openRoot, splitPath } from './open-beneath.ts'
import type { Pace } from './pace.ts'

/** A directory whose files are gone and whose directories are not. */
interface Frame {
  readonly path: Uint8Array
  readonly directories: Uint8Array[]
}

/**
 * Empties a directory, however deep and whatever its names are. No link is followed and nothing
 * mounted is entered; what somebody else removes at the same time is fine.
 *
 * @throws SysError `EXDEV` or `EBUSY` if something is mounted inside
 */
export async function emptyTree(path: string, native: NativeCalls, pace: Pace): Promise<void> {
  const root = openRoot(native, path)
  try {
    const frames = [await removeFiles(native, root, new Uint8Array(0), pace)]
    for (let top = frames.at(-1); top; top = frames.at(-1)) {
      const name = top.directories.pop()
      if (name !== undefined) {
        frames.push(await removeFiles(native, root, joinPath(top.path, name), pace))
        continue
      }
      frames.pop()
      if (top.path.length > 0) removeDirectory(native, root, top.path)
    }
  } finally {
    native.close(root)
  }
}

async function removeFiles(
  native: NativeCalls,
  root: number,
  path: Uint8Array,
  pace: Pace,
): Promise<Frame> {
  const directories: Uint8Array[] = []
  let fd: number
  try {
    fd = openToEmpty(native, root, path)
  } catch (error) {
    if ((error as SysError).code === 'ENOENT') return { path, directories }
    throw error
  }
  try {
    for (const { name, type } of native.readdir(fd)) {
      if (pace.due()) await pace.rest()
      if (type === DT.DIR || !removeFile(native, fd, name)) directories.push(name)
    }
  } finally {
    native.close(fd)
  }
  return { path, directories }
}

/** An ordinary user may have to let himself in: images hold directories of mode 0555 and less. */
function openToEmpty(native: NativeCalls, root: number, path: Uint8Array): number {
  let open: number | undefined
  try {
    open = openBeneath(native, root, path)
    if ((native.fstat(open).mode & 0o300) !== 0o300) native.fchmod(open, 0o700)
    return open
  } catch (error) {
    if (open !== undefined) native.close(open)
    if ((error as SysError).code !== 'EACCES' || path.length === 0) throw error
  }
  const [parent, base] = splitPath(path)
  const fd = openBeneath(native, root, parent)
  try {
    native.fchmodat(fd, base, 0o700)
  } finally {
    native.close(fd)
  }
  return openBeneath(native, root, path)
}

/** False if it is a directory, which only some file systems tell beforehand. */
function removeFile(native: NativeCalls, fd: number, name: Uint8Array): boolean {
  try {
    native.unlinkIfAny(fd, name)
    return true
  } catch (error) {
    if ((error as SysError).code === 'EISDIR') return false
    throw error
  }
}

function removeDirectory(native: NativeCalls, root: number, path: Uint8Array): void {
  const [parent, base] = splitPath(path)
  let fd: number
  try {
    fd = openBeneath(native, root, parent)
  } catch (error) {
    if ((error as SysError).code === 'ENOENT') return
    throw error
  }
  try {
    native.unlinkIfAny(fd, base, AT.REMOVEDIR)
  } finally {
    native.close(fd)
  }
}
