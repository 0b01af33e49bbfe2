import { mkdir, rename } from 'node:fs/promises'
import type { CacheID, CallOptions } from '@varve/core'
import { requireUnused } from '@varve/overlayfs'
import { isThere, layersIn, refuseMounted, type Trees } from '@varve/trees'
import type { Home } from '../home.ts'
import type { Parts } from '../parts.ts'

/**
 * Removes a layer. It is first renamed, so that one half deleted is never taken for a layer; this,
 * and `finishRemovals`, go on where a killed process stopped.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE`
 */
export async function removeLayer(
  { home, trees, cache, mounting }: Parts,
  id: CacheID,
  options: CallOptions,
): Promise<void> {
  await trees.remove(home.removed(id), options)
  if (!(await isThere(home.layer(id)))) return
  {
    using _lock = await mounting?.mounts.lock(id, options.signal)
    if (mounting) requireUnused(home, mounting.mounts, id, `Cannot remove layer ${id}`)
    await refuseMounted(home.layer(id))
    await mkdir(home.removing, { recursive: true, mode: 0o700 })
    await rename(home.layer(id), home.removed(id))
    cache.drop(id)
  }
  await trees.remove(home.removed(id), options)
}

/** Finishes every removal that was begun; returns of which layers. */
export async function finishRemovals(home: Home, trees: Trees): Promise<CacheID[]> {
  const ids = await layersIn(home.removing)
  for (const id of ids) await trees.remove(home.removed(id))
  return ids
}
