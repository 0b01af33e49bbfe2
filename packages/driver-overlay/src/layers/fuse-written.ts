import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CacheID } from '@varve/core'
import { PLACES, toKernelForms } from '@varve/overlayfs'
import type { Parts } from '../parts.ts'

/** Says that fuse-overlayfs may have written its own forms of whiteouts into a layer. */
const NOTE = 'fuse'

/** To be called before fuse-overlayfs may write to a layer. */
export function noteFuse({ home }: Parts, id: CacheID): void {
  writeFileSync(join(home.layer(id), NOTE), '')
}

/**
 * Turns what fuse-overlayfs wrote into the kernel's forms, once it is not mounted any more; a layer
 * that only the kernel wrote to costs one look.
 *
 * @param locked whether the caller holds the layer's lock
 * @returns false if that has to wait, because it is mounted
 */
export async function settle(parts: Parts, id: CacheID, locked = false): Promise<boolean> {
  const { home, sys, native, marks, mounts } = parts
  const note = join(home.layer(id), NOTE)
  if (!home.writable || !existsSync(note)) return true
  using _lock = locked ? undefined : await mounts.lock(id)
  if (PLACES.some((place) => mounts.isMounted(id, place))) return false
  toKernelForms(sys, native, home.diff(id), marks)
  rmSync(note, { force: true })
  return true
}
