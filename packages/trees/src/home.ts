import { chmod, lstat, readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import process from 'node:process'
import { asCacheID, type CacheID, isCacheID, LayerError, wrapError } from '@varve/core'
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

/** Where a driver keeps each layer. */
export interface LayerPlaces {
  layer(id: CacheID): string
}

/** Where a layer is that must be there. @throws LayerError `ERR_LAYER_NOT_FOUND` */
export async function findLayer(home: LayerPlaces, id: CacheID): Promise<string> {
  const path = home.layer(asCacheID(id))
  if (await isThere(path)) return path
  throw new LayerError('ERR_LAYER_NOT_FOUND', `Cannot find layer ${id}`, { data: { id } })
}

/**
 * A call on layers that must be there; what it throws says what was attempted on the first.
 *
 * @param verb as in “Cannot mount layer …”
 */
export async function onLayers<T>(
  home: LayerPlaces,
  verb: string,
  ids: readonly [CacheID, ...CacheID[]],
  run: () => Promise<T>,
): Promise<T> {
  for (const id of ids) await findLayer(home, id)
  try {
    return await run()
  } catch (error) {
    throw wrapError(error, `Cannot ${verb} layer ${ids[0]}`, { id: ids[0] })
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
