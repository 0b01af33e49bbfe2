import { chmod, lstat, readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import process from 'node:process'
import { type CacheID, isCacheID, LayerError } from '@varve/core'
import type { Sys } from '@varve/sys'

/** Whether there is something at a path; a symbolic link is. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Every layer in a directory of layers, whatever else is there; none if it is missing. */
export async function layersIn(path: string): Promise<CacheID[]> {
  try {
    return (await readdir(path)).filter(isCacheID)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Gives a directory its mode, also if somebody else made it or the umask cut it; not on Windows. */
export async function setMode(path: string, mode: number): Promise<void> {
  if (process.platform === 'win32') return
  const { mode: now } = await lstat(path)
  if ((now & 0o7777) !== mode) await chmod(path, mode)
}

/**
 * Puts the names of directories that were just made on stable storage.
 *
 * @param path the lowest of them
 * @param top the topmost, as `mkdir` tells it; undefined if none was made
 */
export async function syncNames(sys: Sys, path: string, top: string | undefined): Promise<void> {
  if (top === undefined) return
  for (let made = path; made.length >= top.length; made = dirname(made)) {
    await sys.syncDirectory(dirname(made))
  }
}

/** What a driver that only reads does when it is asked to change something: `ERR_PERMISSION`. */
export function refuseChanges(root: string): () => Promise<never> {
  return async () => {
    throw new LayerError('ERR_PERMISSION', `Cannot change ${root}: it is open to read only`, {
      data: { root },
      hint: 'Copy the image into a store of your own: varve save, then varve load',
    })
  }
}
