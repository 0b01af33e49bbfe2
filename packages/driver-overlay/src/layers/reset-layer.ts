import { join } from 'node:path'
import { type CacheID, type CallOptions, LayerError } from '@varve/core'
import { requireUnused } from '@varve/overlayfs'
import { AT, O, RENAME } from '@varve/sys'
import { isThere, layersIn, refuseMounted } from '@varve/trees'
import type { Home } from '../home.ts'
import { forgetVolatileChanges } from '../options/volatile.ts'
import type { Parts } from '../parts.ts'
import { isCommitted, makeRoot } from './make-layer.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/** In a layer's directory, so that it is in the same quota: first what is new, then what is old. */
const OTHER = 'diff.other'

/**
 * Throws away what a layer has of its own: an empty directory takes the place of `diff` in one step,
 * and only then is the old one deleted.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE`; `ERR_LAYER_IN_USE` if another layer stands on it
 */
export async function resetLayer(
  parts: Parts,
  id: CacheID,
  parent: CacheID | undefined,
  options: CallOptions,
): Promise<void> {
  const { home, native, marks, mounts, trees } = parts
  using _lock = await mounts.lock(id, options.signal)
  const attempt = `Cannot reset layer ${id}`
  if (await isCommitted(home, id)) {
    throw new LayerError('ERR_LAYER_IN_USE', `${attempt}: another layer stands on it`, {
      data: { id },
    })
  }
  requireUnused(home, mounts, id, attempt)
  await refuseMounted(home.layer(id))
  const other = join(home.layer(id), OTHER)
  await trees.remove(other, options)
  const layer = native.openat(AT.FDCWD, bytes(home.layer(id)), O.RDONLY | O.DIRECTORY)
  try {
    makeRoot(native, marks, layer, OTHER, parent === undefined ? undefined : home.diff(parent))
    native.renameat2(layer, bytes(OTHER), layer, bytes('diff'), RENAME.EXCHANGE)
  } finally {
    native.close(layer)
  }
  await forgetVolatileChanges(parts, id)
  // It is done; so this is not to be interrupted any more.
  await trees.remove(other)
}

/** Deletes what killed resets left; returns of how many layers. */
export async function finishResets({ home, mounts, trees }: Parts): Promise<number> {
  let finished = 0
  for (const id of await layersIn(home.root)) {
    if (!(await hasLeftovers(home, id))) continue
    // Whoever has it may be resetting it.
    using lock = await mounts.tryLock(id)
    if (!lock || !(await hasLeftovers(home, id))) continue
    await trees.remove(join(home.layer(id), OTHER))
    finished++
  }
  return finished
}

function hasLeftovers(home: Home, id: CacheID): Promise<boolean> {
  return isThere(join(home.layer(id), OTHER))
}
