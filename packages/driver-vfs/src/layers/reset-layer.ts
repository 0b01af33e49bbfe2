import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, type CallOptions, wrapError } from '@varve/core'
import { findLayer, refuseMounted } from '@varve/trees'
import type { Parts } from '../parts.ts'
import { inUse } from './layer-mounts.ts'
import { fillLayer } from './make-layer.ts'

/** Killed before the exchange it leaves the layer as it was, and after it as new. */
export async function resetLayer(
  parts: Parts,
  id: CacheID,
  parent: CacheID | undefined,
  options: CallOptions,
): Promise<void> {
  const { home, mounts, asides, trees } = parts
  const path = await findLayer(home, id)
  if (parent !== undefined) await findLayer(home, parent)
  const attempt = `Cannot reset layer ${id}`
  try {
    await using aside = await asides.open()
    const fresh = join(aside.path, id)
    await mkdir(fresh, 0o755)
    await fillLayer(parts, fresh, parent, options)
    await using _lock = await mounts.lock()
    await mounts.refuseKept(id, attempt)
    if (mounts.isUsed(id)) throw inUse(id, path, attempt)
    await refuseMounted(path)
    trees.exchange(path, fresh)
  } catch (error) {
    throw wrapError(error, attempt, { id })
  }
}
