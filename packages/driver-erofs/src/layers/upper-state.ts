import { join } from 'node:path'
import { type CacheID, type CallOptions, LayerError } from '@varve/core'
import { requireUnused } from '@varve/overlayfs'
import { AT, O } from '@varve/sys'
import { ITSELF, isThere, layersIn, refuseMounted } from '@varve/trees'
import type { Home } from '../home.ts'
import { type Mounting, mountingOf, type Parts } from '../parts.ts'
import { isCommitted, isReadWrite } from './chain.ts'
import { makeUpper } from './make-layer.ts'

/** In a layer's directory, so that it is in the same quota: first what is new, then what is old. */
const OTHER = 'diff.other'

/** Gives a new layer all that another one has changed, by reflink where the file system can. */
export async function copyUpper(
  { home, trees }: Parts,
  { native, marks }: Mounting,
  from: CacheID,
  to: CacheID,
  options: CallOptions,
): Promise<void> {
  await trees.copy(home.diff(from), home.diff(to), options)
  // What the kernel wrote on the root is about that one mount: its identity, what it lies on.
  const path = new TextEncoder().encode(home.diff(to))
  const fd = native.openat(AT.FDCWD, path, O.RDONLY | O.DIRECTORY)
  try {
    for (const attribute of native.listxattr(fd, ITSELF)) {
      const name = new TextDecoder('latin1').decode(attribute)
      if (marks.isMark(name)) native.removexattr(fd, ITSELF, attribute)
    }
  } finally {
    native.close(fd)
  }
}

/**
 * Throws away what a layer has changed: an empty directory takes the place of `diff` in one step,
 * and only then is the old one deleted.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE`, `ERR_LAYER_IN_USE`, `ERR_INVALID_ARGUMENT`
 */
export async function resetLayer(
  parts: Parts,
  id: CacheID,
  parent: CacheID | undefined,
  options: CallOptions,
): Promise<void> {
  const { home, trees } = parts
  const attempt = `Cannot reset layer ${id}`
  const mounting = mountingOf(parts, attempt)
  using _lock = await mounting.mounts.lock(id, options.signal)
  if (!(await isReadWrite(home, id)) || (await isCommitted(home, id))) {
    throw new LayerError('ERR_LAYER_IN_USE', `${attempt}: it is final`, { data: { id } })
  }
  requireUnused(home, mounting.mounts, id, attempt)
  await refuseMounted(home.layer(id))
  const other = join(home.layer(id), OTHER)
  await trees.remove(other, options)
  await makeUpper(mounting, home, other, parent)
  trees.exchange(home.diff(id), other)
  // It is done; so this is not to be interrupted any more.
  await trees.remove(other)
}

/** Deletes what killed resets left; returns of how many layers. */
export async function finishResets({ home, trees, mounting }: Parts): Promise<number> {
  let finished = 0
  for (const id of await layersIn(home.root)) {
    if (!(await hasLeftovers(home, id))) continue
    // Whoever has it may be resetting it.
    using lock = await mounting?.mounts.tryLock(id)
    if (!lock || !(await hasLeftovers(home, id))) continue
    await trees.remove(join(home.layer(id), OTHER))
    finished++
  }
  return finished
}

function hasLeftovers(home: Home, id: CacheID): Promise<boolean> {
  return isThere(join(home.layer(id), OTHER))
}
