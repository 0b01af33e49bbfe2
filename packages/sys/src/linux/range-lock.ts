import { AT, O } from '../constants.ts'
import { fileLock } from '../lock.ts'
import type { NativeCalls } from '../native-calls.ts'
import type { FileLock } from '../sys.ts'

/**
 * The bytes that SQLite locks (`SHARED_FIRST` and `SHARED_SIZE` of its os.h), in the same way, so
 * that a process that must lock through `node:sqlite` and one with FFI keep each other out.
 */
const START = 0x40000002
const LENGTH = 510

const bytes = (text: string) => new TextEncoder().encode(text)

/** Locks by `fcntl` on the open file: freed by the kernel as soon as the holder is gone. */
export function tryRangeLock(
  native: NativeCalls,
  path: string,
  mode: FileLock['mode'],
): FileLock | undefined {
  const name = bytes(path)
  for (;;) {
    const fd = openLockFile(native, name, mode)
    let keep = false
    try {
      if (!native.lockRange(fd, START, LENGTH, mode)) return undefined
      // Somebody may have moved the file, or its directory, between opening and locking it.
      if (!isStillAt(native, fd, name)) continue
      keep = true
    } finally {
      if (!keep) native.close(fd)
    }
    return fileLock(path, mode, () => native.close(fd))
  }
}

function openLockFile(native: NativeCalls, name: Uint8Array, mode: FileLock['mode']): number {
  try {
    return native.openat(AT.FDCWD, name, O.RDWR | O.CREAT | O.NOFOLLOW, 0o600)
  } catch (error) {
    // A reader of a store that it may not write to still keeps its writers out.
    if (mode === 'shared' && READ_ONLY.has((error as { code: string }).code)) {
      return native.openat(AT.FDCWD, name, O.RDONLY | O.NOFOLLOW)
    }
    throw error
  }
}

const READ_ONLY: ReadonlySet<string> = new Set(['EROFS', 'EACCES', 'EPERM'])

function isStillAt(native: NativeCalls, fd: number, name: Uint8Array): boolean {
  const there = native.statIfAny(AT.FDCWD, name)
  const here = native.fstat(fd)
  return there?.ino === here.ino && there.dev === here.dev
}
