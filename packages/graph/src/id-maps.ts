import { LayerError } from '@varve/core'

/** A range of ids as a user namespace maps it (user_namespaces(7), `uid_map`). */
export interface IDMap {
  readonly containerID: number
  readonly hostID: number
  readonly size: number
}

/** Who is root outside. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * Whom the namespace's root is outside of it; undefined without maps.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` if its root is mapped to nobody
 */
export function rootOwner(
  uidMaps: readonly IDMap[] = [],
  gidMaps: readonly IDMap[] = [],
): Owner | undefined {
  if (uidMaps.length === 0 && gidMaps.length === 0) return undefined
  return { uid: hostIDOfRoot(uidMaps, 'user'), gid: hostIDOfRoot(gidMaps, 'group') }
}

function hostIDOfRoot(maps: readonly IDMap[], kind: string): number {
  if (maps.length === 0) return 0
  const map = maps.find(({ containerID, size }) => containerID === 0 && size > 0)
  if (map) return map.hostID
  throw new LayerError(
    'ERR_INVALID_ARGUMENT',
    `Cannot open the image graph: its ${kind} 0 is mapped to nobody`,
    { data: { maps }, hint: 'Map id 0 of the namespace' },
  )
}
