import { mkdir, rename } from 'node:fs/promises'
import type { CacheID, CallOptions } from '@varve/core'
import { requireUnused } from '@varve/overlayfs'
import { isThere, layersIn, refuseMounted } from '@varve/trees'
import type { Parts } from '../parts.ts'
import { readShortName, removeShortName } from './short-names.ts'

/**
 * Removes a layer. It is first renamed, so that one half deleted is never taken for a layer; this,
 * and `finishRemovals`, go on where a killed process stopped.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE`
 */
export async function removeLayer(parts: Parts, id: CacheID, options: CallOptions): Promise<void> {
  const { home, mounts } = parts
  await finishRemoval(parts, id, options)
  if (!(await isThere(home.layer(id)))) return
  {
    using _lock = await mounts.lock(id, options.signal)
    requireUnused(home, mounts, id, `Cannot remove layer ${id}`)
    await refuseMounted(home.layer(id))
    await mkdir(home.removing, { recursive: true, mode: 0o700 })
    await moveOut(parts, id)
  }
  await finishRemoval(parts, id, options)
}

/** Finishes every removal that was begun; returns of which layers. */
export async function finishRemovals(parts: Parts): Promise<CacheID[]> {
  const ids = await layersIn(parts.home.removing)
  for (const id of ids) await finishRemoval(parts, id, {})
  return ids
}

async function moveOut({ home, quota }: Parts, id: CacheID): Promise<void> {
  try {
    await rename(home.layer(id), home.removed(id))
  } catch (error) {
    // The home itself is in a project, into which no other's directory may be moved.
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    quota.adopt(home.layer(id), home.removing)
    await rename(home.layer(id), home.removed(id))
  }
}

async function finishRemoval(
  { home, trees, quota }: Parts,
  id: CacheID,
  options: CallOptions,
): Promise<void> {
  const path = home.removed(id)
  // Before the file that tells it is gone.
  const name = await readShortName(path)
  if (name !== undefined) await removeShortName(home, name)
  const project = (await isThere(path)) ? quota.projectOf(path) : undefined
  await trees.remove(path, options)
  if (project !== undefined) quota.forget(project)
}
