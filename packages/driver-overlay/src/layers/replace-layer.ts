import type { CacheID, CallOptions } from '@varve/core'
import { refuseMountedAbove, requireUnused } from '@varve/overlayfs'
import { refuseMounted } from '@varve/trees'
import type { Parts } from '../parts.ts'
import { sweepMounts } from './cleanup.ts'
import { lowersOf, readShortName } from './short-names.ts'

/**
 * Lets two layers change what they have of their own, in one step. Whatever stands on one of them
 * finds it by its short name, which leads to the other's files from then on.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE` if either is mounted, or what stands on it
 */
export async function replaceLayer(
  parts: Parts,
  id: CacheID,
  by: CacheID,
  { signal }: CallOptions,
): Promise<void> {
  const { home, mounts, trees } = parts
  const attempt = `Cannot replace layer ${id}`
  await sweepMounts(parts)
  using _lock = await mounts.lock(id, signal)
  using _other = await mounts.lock(by, signal)
  for (const each of [id, by]) {
    requireUnused(home, mounts, each, attempt)
    await refuseMounted(home.layer(each))
  }
  // The kernel does not expect that what it has beneath a mount is exchanged.
  const name = await readShortName(home.layer(id))
  const stands = async (above: CacheID) =>
    name !== undefined && (await lowersOf(home, above)).includes(name)
  await refuseMountedAbove(mounts, id, attempt, stands)
  trees.exchange(home.diff(id), home.diff(by))
}
