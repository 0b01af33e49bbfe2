import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, LayerError } from '@varve/core'
import { AT, type NativeCalls, O, type Sys } from '@varve/sys'
import { writeSynced } from '@varve/trees'
import type { Home } from '../home.ts'

/** What puts files under verity. @throws LayerError `ERR_NOT_SUPPORTED` */
export function requireCalls({ native, limits }: Sys): NativeCalls {
  if (native) return native
  const why = limits[0] ?? 'there is no FFI'
  throw new LayerError('ERR_NOT_SUPPORTED', `Cannot use fs-verity: ${why}`, {
    hint: 'Install the package koffi on Linux, or open the driver without verity',
  })
}

/** What is wrong with an image that is not {@link isAsMeasured}. */
export const NOT_MEASURED = 'its image is not the one that was put under fs-verity'

/**
 * Lets the kernel check every page of an image that it reads, and writes down what against.
 *
 * @param path of the image, or of what becomes it; nobody writes to it any more
 * @throws LayerError `ERR_NOT_SUPPORTED`
 */
export async function enableVerity(
  native: NativeCalls | undefined,
  home: Home,
  id: CacheID,
  path: string,
): Promise<void> {
  const digest =
    native &&
    withFile(native, path, (fd) => (native.enableVerity(fd) ? native.measureVerity(fd) : undefined))
  if (!digest) {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot put layer ${id} under fs-verity`, {
      data: { id },
      hint: 'Use ext4 made with -O verity -b 4096, or btrfs, on a kernel with fs-verity; or go without',
    })
  }
  await writeSynced(digestFile(home, id), Buffer.from(digest).toString('hex'), 0o600)
}

/**
 * Whether an image is under verity with the digest that was written down, or none was.
 *
 * @throws `ENOENT` if there should be an image, and is none
 */
export async function isAsMeasured(native: NativeCalls, home: Home, id: CacheID): Promise<boolean> {
  const wanted = await readDigest(home, id)
  if (wanted === undefined) return true
  const digest = withFile(native, home.image(id), (fd) => native.measureVerity(fd))
  return digest !== undefined && Buffer.from(digest).toString('hex') === wanted
}

/**
 * Refuses an image that was put under verity and is no longer, or is another one.
 *
 * @throws LayerError `ERR_CORRUPT_LAYER`
 */
export async function requireVerity(native: NativeCalls, home: Home, id: CacheID): Promise<void> {
  if (await isAsMeasured(native, home, id)) return
  throw new LayerError('ERR_CORRUPT_LAYER', `Cannot mount layer ${id}: ${NOT_MEASURED}`, {
    data: { id },
    hint: 'Repair it with `varve check --full --repair`, or register it again',
  })
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
