import { type CacheID, type CallOptions, LayerError } from '@varve/core'
import { requireUnused } from '@varve/overlayfs'
import { refuseMounted } from '@varve/trees'
import type { Home } from '../home.ts'
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
  await refuseMountedAbove(parts, id, attempt)
  trees.exchange(home.diff(id), home.diff(by))
}

/** The kernel does not expect that what it has beneath a mount is exchanged. */
async function refuseMountedAbove(
  { home, mounts }: Pick<Parts, 'home' | 'mounts'>,
  id: CacheID,
  attempt: string,
): Promise<void> {
  const name = await readShortName(home.layer(id))
  for (const [above, place] of await mounts.mounted()) {
    if (name === undefined || !(await standsOn(home, above, name))) continue
    throw new LayerError('ERR_MOUNT_IN_USE', `${attempt}: layer ${above} on it is mounted`, {
      data: { id, above, place },
      hint: 'Unmount it, then try again',
    })
  }
}

async function standsOn(home: Home, id: CacheID, name: string): Promise<boolean> {
  return (await lowersOf(home, id)).includes(name)
}
