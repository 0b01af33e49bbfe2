import { rename } from 'node:fs/promises'
import { type CacheID, type CallOptions, LayerError } from '@varve/core'
import { openErofs } from '@varve/erofs'
import { refuseMountedAbove, requireUnused } from '@varve/overlayfs'
import { isThere, refuseMounted } from '@varve/trees'
import { type Home, parentOf } from '../home.ts'
import { readSum, sumFile, sumOf } from '../image/image-sum.ts'
import { openImage } from '../image/open-image.ts'
import { digestFile, enableVerity, verityOf } from '../image/verity.ts'
import type { Parts } from '../parts.ts'
import { sweepMounts } from './cleanup.ts'

/**
 * Gives a layer the image of another one. Images above point into it by block, so it must be the
 * very same one, as it was before it was damaged; what says so is its sum.
 *
 * @throws LayerError `ERR_MOUNT_IN_USE`; `ERR_NOT_SUPPORTED` if the images differ, or the old one was
 *   under fs-verity and the new one cannot be
 */
export async function replaceLayer(
  parts: Parts,
  id: CacheID,
  by: CacheID,
  { signal }: CallOptions,
): Promise<void> {
  const { home, sys, cache, mounting } = parts
  const attempt = `Cannot replace layer ${id}`
  await sweepMounts(parts)
  using _lock = await mounting?.mounts.lock(id, signal)
  if (mounting) requireUnused(home, mounting.mounts, id, attempt)
  await refuseMounted(home.layer(id))
  // What is mounted goes on with the damaged file, and so would all that join it.
  if (mounting) {
    const stands = (above: CacheID) => standsOn(home, above, id)
    await refuseMountedAbove(mounting.mounts, id, attempt, stands)
  }
  const sum = await readSum(home, by)
  if (sum === undefined || !(await sumsOf(home, id)).includes(sum)) {
    throw new LayerError(
      'ERR_NOT_SUPPORTED',
      `${attempt}: its image was written in another way, and layers on it need it as it was`,
      { data: { id, by }, hint: 'Remove what stands on it, and load the image again' },
    )
  }
  if ((await isThere(digestFile(home, id))) && !(await isThere(digestFile(home, by)))) {
    await enableVerity(verityOf(sys, true), home, by, home.image(by))
  }
  cache.drop(id)
  // The image first: killed after it, what is left is the sum of the same image, or a damaged one.
  await rename(home.image(by), home.image(id))
  for (const file of [sumFile, digestFile]) await renameIfAny(file(home, by), file(home, id))
  await sys.syncDirectory(home.layer(id))
}

async function standsOn(home: Home, above: CacheID, id: CacheID): Promise<boolean> {
  const seen = new Set<CacheID>()
  for (let at: CacheID | undefined = above; at !== undefined && !seen.has(at); ) {
    if (at === id) return true
    seen.add(at)
    at = await parentOf(home, at)
  }
  return false
}

/** The sum that was written down, and that of what is there: either may be what is damaged. */
async function sumsOf(home: Home, id: CacheID): Promise<readonly (string | undefined)[]> {
  const recorded = await readSum(home, id)
  try {
    await using file = await openImage(home, id)
    const { tar } = await openErofs(file)
    return [recorded, tar && (await sumOf(file, tar))]
  } catch {
    // Unreadable in any way: then it is no witness.
    return [recorded]
  }
}

async function renameIfAny(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
