import { type CacheID, wrapError } from '@varve/core'
import { findLayer, refuseMounted } from '@varve/trees'
import type { Parts } from '../parts.ts'
import { inUse } from './layer-mounts.ts'

/** Layers that stand on it are copies, which have nothing to do with it any more. */
export async function replaceLayer(parts: Parts, id: CacheID, by: CacheID): Promise<void> {
  const { home, mounts, trees } = parts
  const layers = [
    [id, await findLayer(home, id)],
    [by, await findLayer(home, by)],
  ] as const
  const attempt = `Cannot replace layer ${id}`
  try {
    await using _lock = await mounts.lock()
    for (const [each, path] of layers) {
      await mounts.refuseKept(each, attempt)
      if (mounts.isUsed(each)) throw inUse(each, path, attempt)
      await refuseMounted(path)
    }
    trees.exchange(layers[0][1], layers[1][1])
  } catch (error) {
    throw wrapError(error, attempt, { id, by })
  }
}
