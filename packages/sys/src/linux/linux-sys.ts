import { AT, O, RENAME } from '../constants.ts'
import { waitForLock } from '../lock.ts'
import { bootId } from '../portable/portable-sys.ts'
import { trySqliteLock } from '../portable/sqlite-lock.ts'
import type { Sys } from '../sys.ts'
import { createContext } from './context.ts'
import type { Libc } from './libc.ts'
import { createNativeCalls } from './native.ts'
import { tryRangeLock } from './range-lock.ts'

const encoder = new TextEncoder()

/** Everything, by the C library. */
export function linuxSys(libc: Libc): Sys {
  const native = createNativeCalls(libc)
  const context = createContext(libc)

  /** Opens what is to be flushed, flushes it on another thread, and closes it whatever happens. */
  const flush = async (path: string, flags: number, call: 'fsync' | 'syncfs') => {
    const name = encoder.encode(path)
    const fd = native.openat(AT.FDCWD, name, O.RDONLY | flags)
    try {
      const errno = await (call === 'fsync' ? libc.fsyncAsync(fd) : libc.syncfsAsync(fd))
      if (errno !== 0) throw context.errorOf(errno, call, name)
    } finally {
      native.close(fd)
    }
  }
  let hasRangeLocks = true
  const tryLockFile: Sys['tryLockFile'] = (path, mode) => {
    if (hasRangeLocks) {
      try {
        return tryRangeLock(native, path, mode)
      } catch (error) {
        const { code, syscall } = error as { code?: string; syscall?: string }
        if (syscall !== 'fcntl' || code !== 'EINVAL') throw error
        // A kernel, or an imitation of one, without locks on open files. It is never asked again:
        // closing a file that SQLite has locked would free that lock.
        hasRangeLocks = false
      }
    }
    return trySqliteLock(path, mode)
  }
  return {
    native,
    limits: [],
    lockFile: (path, options) => waitForLock(tryLockFile, path, options),
    tryLockFile,
    syncDirectory: (path) => flush(path, O.DIRECTORY, 'fsync'),
    async syncFileSystem(path) {
      await flush(path, 0, 'syncfs')
      return true
    },
    async renameNoReplace(from, to) {
      const [a, b] = [encoder.encode(from), encoder.encode(to)]
      try {
        native.renameat2(AT.FDCWD, a, AT.FDCWD, b, RENAME.NOREPLACE)
        return true
      } catch (error) {
        const { code } = error as { code?: string }
        if (code === 'EEXIST') return false
        // Some file systems (NFS, old FUSE) know no flags.
        if (code !== 'EINVAL') throw error
      }
      if (native.statIfAny(AT.FDCWD, b)) return false
      native.renameat2(AT.FDCWD, a, AT.FDCWD, b)
      return true
    },
    bootId,
  }
}
