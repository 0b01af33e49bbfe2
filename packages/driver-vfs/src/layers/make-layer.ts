import { chmod, mkdir } from 'node:fs/promises'
import {
  asCacheID,
  type CacheID,
  type CallOptions,
  cleanUp,
  LayerError,
  wrapError,
} from '@varve/core'
import { findLayer } from '@varve/trees'
import type { Parts } from '../parts.ts'
import { removeLayer } from './remove-layer.ts'

/**
 * Makes a layer; what is left of one that could not be made is removed.
 *
 * @param from what it begins as a copy of
 */
export async function makeLayer(
  parts: Parts,
  id: CacheID,
  parent: CacheID | undefined,
  from: CacheID | undefined,
  options: CallOptions,
): Promise<void> {
  const { home } = parts
  const path = home.layer(asCacheID(id))
  const attempt = `Cannot create layer ${id}`
  for (const needed of [parent, from]) if (needed !== undefined) await findLayer(home, needed)
  try {
    await mkdir(path, 0o755)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw wrapError(error, attempt)
    throw new LayerError('ERR_INVALID_ARGUMENT', `${attempt}: it exists already`, {
      cause: error,
      data: { id },
    })
  }
  try {
    await fillLayer(parts, path, from, options)
  } catch (error) {
    throw await cleanUp(wrapError(error, attempt, { id, parent }), () => removeLayer(parts, id, {}))
  }
}

/** Fills a new directory with a layer's files, or with none. */
export async function fillLayer(
  { home, trees }: Parts,
  path: string,
  from: CacheID | undefined,
  options: CallOptions,
): Promise<void> {
  if (from === undefined) await chmod(path, 0o755)
  else await trees.copy(home.layer(from), path, options)
}

/** Docker's has one, a quota, on xfs only; a layer that ignored it would be worse than none. */
export function refuseStorageOptions(id: CacheID, options: Readonly<Record<string, string>>): void {
  for (const option of Object.keys(options)) {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot create layer ${id}: no option "${option}"`, {
      data: { id, option },
      hint: 'The vfs driver has no storage options; leave them out or use another driver',
    })
  }
}
