import { join } from 'node:path'
import { type CacheID, LayerError, type Mount } from '@varve/core'
import type { MountHome, MountOn, MountPoints } from './mount-points.ts'
import { PLACES, type Place } from './places.ts'

/** One more user of a layer's mount. The layer must be locked. @param keep beyond this process */
export function useMount(
  mounts: MountPoints,
  id: CacheID,
  place: Place,
  mountOn: MountOn,
  keep = false,
): Mount {
  const path = mounts.use(id, place, mountOn)
  if (keep) keepOrLeave(mounts, id, place)
  let used = true
  return {
    path,
    readOnly: place === 'view',
    async [Symbol.asyncDispose]() {
      if (!used) return
      used = false
      if (!mounts.uses(id, place)) return
      using _lock = await mounts.lock(id)
      mounts.leave(id, place)
    },
  }
}

/**
 * Ends one kept mount of a layer, or all of its kind; says how many are left. The layer must be
 * locked.
 *
 * @param final whether the layer can be mounted read-only alone by now
 * @throws LayerError `ERR_MOUNT_NOT_FOUND`
 */
export function endKeptMount(
  mounts: MountPoints,
  id: CacheID,
  { readOnly = false, all = false }: { readonly readOnly?: boolean; readonly all?: boolean },
  final: boolean,
): number {
  // One that was asked for writable is not, if the layer is final.
  const isView = readOnly || (mounts.kept(id, 'merged') === 0 && final)
  const left = mounts.unkeep(id, isView ? 'view' : 'merged', all)
  if (left !== undefined) return left
  const kind = readOnly ? 'read-only mount' : 'mount'
  throw new LayerError('ERR_MOUNT_NOT_FOUND', `Cannot unmount layer ${id}: no ${kind} is kept`, {
    data: { id, readOnly },
  })
}

/**
 * Unmounts what is stale, and refuses if anything else is mounted. The layer must be locked.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE`
 */
export function requireUnused(
  home: MountHome,
  mounts: MountPoints,
  id: CacheID,
  attempt: string,
): void {
  for (const place of PLACES) {
    const found = mounts.sweep(id, place)
    if (found !== 'used' && found !== 'kept') continue
    const path = join(home.layer(id), place)
    const why = found === 'kept' ? 'kept mounted' : 'in use'
    throw new LayerError('ERR_MOUNT_IN_USE', `${attempt}: ${path} is ${why}`, {
      data: { id, path },
      hint: 'Unmount it, then try again',
    })
  }
}

/**
 * Refuses to go on while a layer is mounted that stands on this one.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE`
 */
export async function refuseMountedAbove(
  mounts: MountPoints,
  id: CacheID,
  attempt: string,
  standsOn: (above: CacheID) => Promise<boolean>,
): Promise<void> {
  for (const [above, place] of await mounts.mounted()) {
    if (!(await standsOn(above))) continue
    throw new LayerError('ERR_MOUNT_IN_USE', `${attempt}: layer ${above} on it is mounted`, {
      data: { id, above, place },
      hint: 'Unmount it, then try again',
    })
  }
}

/** What could not be kept is left again. */
function keepOrLeave(mounts: MountPoints, id: CacheID, place: Place): void {
  try {
    mounts.keep(id, place)
  } catch (error) {
    mounts.leave(id, place)
    throw error
  }
}
