import type { NativeCalls, Sys } from '@varve/sys'
import { type Asides, asidesIn, mountPointsIn, type Trees } from '@varve/trees'
import { unmount } from './mounting/single-mount.ts'

/** Directories in which something may be mounted, also by a process that was killed. */
export function scratchIn(parent: string, sys: Sys, native: NativeCalls, trees: Trees): Asides {
  return asidesIn(parent, sys, async (path) => {
    for (const point of await mountPointsIn(path)) unmount(native, point)
    await trees.remove(path)
  })
}
