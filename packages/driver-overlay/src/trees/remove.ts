import { realpath, rmdir } from 'node:fs/promises'
import { type CallOptions, LayerError } from '@varve/core'
import { type NativeCalls, UMOUNT } from '@varve/sys'
import { mountPointsIn } from './mount-points.ts'
import { createPace } from './pace.ts'
import { emptyTree } from './remove-tree.ts'

/**
 * Deletes a directory and everything in it; without such a directory, nothing.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE` if something is mounted in it
 */
export async function removeTree(
  path: string,
  native: NativeCalls,
  options: CallOptions = {},
): Promise<void> {
  try {
    await emptyTree(path, native, createPace(options, `Cannot remove ${path}`))
    await rmdir(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return
    // Mounted just now, or where the table of mounts does not show it.
    if (code === 'EXDEV' || code === 'EBUSY') throw mountedIn(path, [], error)
    throw error
  }
}

/** The same for a directory of this driver's own, in which a killed process may have left mounts. */
export async function removeScratch(path: string, native: NativeCalls): Promise<void> {
  for (const point of mountPointsIn(path)) {
    native.umount2(new TextEncoder().encode(point), UMOUNT.DETACH | UMOUNT.NOFOLLOW)
  }
  await removeTree(path, native)
}

/**
 * Checks that nothing is mounted in a tree, before anything of it is touched.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE`
 */
export async function refuseMounted(path: string): Promise<void> {
  const points = mountPointsIn(await realpath(path))
  if (points.length > 0) throw mountedIn(path, points)
}

export function mountedIn(path: string, points: readonly string[], cause?: unknown): LayerError {
  const what = points[0] === undefined ? 'it is in use' : `${points[0]} is mounted`
  return new LayerError('ERR_MOUNT_IN_USE', `Cannot remove ${path}: ${what}`, {
    cause,
    data: { path, points },
    hint: 'Unmount it, then remove the layer again',
  })
}
