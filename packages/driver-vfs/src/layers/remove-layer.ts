import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { asCacheID, type CacheID, type CallOptions, wrapError } from '@varve/core'
import { isThere, refuseMounted } from '@varve/trees'
import type { Parts } from '../parts.ts'

/**
 * A layer is first renamed into a directory of this process, so that one half deleted is never
 * taken for a layer; what a killed process left there is deleted by `cleanup`.
 */
export async function removeLayer(
  { home, mounts, asides, trees }: Parts,
  id: CacheID,
  options: CallOptions,
): Promise<void> {
  const path = home.layer(asCacheID(id))
  const attempt = `Cannot remove layer ${id}`
  try {
    if (!(await isThere(path))) return
    await refuseMounted(path)
    await using aside = await asides.open()
    const removed = join(aside.path, id)
    {
      await using _lock = await mounts.lock()
      await mounts.refuseKept(id, attempt)
      await rename(path, removed)
    }
    await trees.remove(removed, options)
  } catch (error) {
    throw wrapError(error, attempt, { id })
  }
}
