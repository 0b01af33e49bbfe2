import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, LayerError } from '@varve/core'
import { AT, type NativeCalls, O } from '@varve/sys'
import { writeSynced } from '@varve/trees'
import type { Home } from '../home.ts'

/**
 * Lets the kernel check every page of an image that it reads, and writes down what against.
 *
 * @param path of the image while it is written; nobody writes to it any more
 * @throws LayerError `ERR_NOT_SUPPORTED`
 */
export async function enableVerity(
  native: NativeCalls,
  home: Home,
  id: CacheID,
  path: string,
): Promise<void> {
  const digest = withFile(native, path, (fd) =>
    native.enableVerity(fd) ? native.measureVerity(fd) : undefined,
  )
  if (!digest) {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot put layer ${id} under fs-verity`, {
      data: { id },
      hint: 'Use ext4 made with -O verity, or btrfs, on a kernel with fs-verity; or go without',
    })
  }
  await writeSynced(digestFile(home, id), Buffer.from(digest).toString('hex'), 0o600)
}

/**
 * Refuses an image that was put under verity and is no longer, or is another one.
 *
 * @throws LayerError `ERR_CORRUPT_LAYER`
 */
export async function requireVerity(native: NativeCalls, home: Home, id: CacheID): Promise<void> {
  const wanted = await readDigest(home, id)
  if (wanted === undefined) return
  const digest = withFile(native, home.image(id), (fd) => native.measureVerity(fd))
  if (digest && Buffer.from(digest).toString('hex') === wanted) return
  throw new LayerError(
    'ERR_CORRUPT_LAYER',
    `Cannot mount layer ${id}: its image is not the one that was put under fs-verity`,
    { data: { id }, hint: 'Register the layer again' },
  )
}

async function readDigest(home: Home, id: CacheID): Promise<string | undefined> {
  try {
    return (await readFile(digestFile(home, id), 'latin1')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Where its digest is written down. */
export function digestFile(home: Home, id: CacheID): string {
  return join(home.layer(id), 'layer.verity')
}

function withFile<T>(native: NativeCalls, path: string, use: (fd: number) => T): T {
  const fd = native.openat(AT.FDCWD, new TextEncoder().encode(path), O.RDONLY)
  try {
    return use(fd)
  } finally {
    native.close(fd)
  }
}
