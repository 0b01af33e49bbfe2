import { lstat, open, readFile, rename } from 'node:fs/promises'
import process from 'node:process'
import { waitForLock } from '../lock.ts'
import type { Sys } from '../sys.ts'
import { trySqliteLock } from './sqlite-lock.ts'

/** What the runtime's own modules can do. @param reason why there is no FFI */
export function portableSys(reason: string): Sys {
  return {
    native: undefined,
    limits: [
      `Only what the runtime itself offers is used: ${reason}`,
      'Device files, extended attributes and times finer than a microsecond are not kept',
      'Paths are checked and then used, so a process that changes them in between is not kept out',
      'Whole file systems cannot be flushed, so each file is flushed by itself',
    ],
    lockFile: (path, options) => waitForLock(trySqliteLock, path, options),
    tryLockFile: trySqliteLock,
    syncDirectory,
    async syncFileSystem() {
      return false
    },
    async renameNoReplace(from, to) {
      await lstat(from)
      if (await exists(to)) return false
      await rename(from, to)
      return true
    },
    bootId,
  }
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Linux's, where there is one; other systems have none that `node:` modules tell. */
export async function bootId(): Promise<string | undefined> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
