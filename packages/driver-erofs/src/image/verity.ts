import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type CacheID, LayerError } from '@varve/core'
import { AT, type NativeCalls, O, type Sys, type SysError } from '@varve/sys'
import { writeSynced } from '@varve/trees'
import type { Home } from '../home.ts'

/** How long another program, started while the image was written, may have it open. */
const PATIENCE = { attempts: 50, ms: 20 } as const

/** What new images are put under verity with. */
export interface Verity {
  readonly native: NativeCalls
  /** Whether it is an error if they cannot be. */
  readonly required: boolean
}

/**
 * @param wanted undefined: where it can be had
 * @throws LayerError `ERR_NOT_SUPPORTED` if it is wanted and there are no calls for it
 */
export function verityOf(sys: Sys, wanted: true): Verity
export function verityOf(sys: Sys, wanted: boolean | undefined): Verity | undefined
export function verityOf({ native, limits }: Sys, wanted: boolean | undefined): Verity | undefined {
  if (wanted === false) return undefined
  if (native) return { native, required: wanted === true }
  if (!wanted) return undefined
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
  { native, required }: Verity,
  home: Home,
  id: CacheID,
  path: string,
): Promise<void> {
  const digest = await withFile(native, path, async (fd) =>
    (await enable(native, fd)) ? native.measureVerity(fd) : undefined,
  )
  if (!digest && !required) return
  if (!digest) {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot put layer ${id} under fs-verity`, {
      data: { id },
      hint: 'Use ext4 made with -O verity -b 4096, or btrfs, on a kernel with fs-verity; or go without',
    })
  }
  await writeSynced(digestFile(home, id), Buffer.from(digest).toString('hex'), 0o600)
}

async function enable(native: NativeCalls, fd: number): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await native.enableVerity(fd)
    } catch (error) {
      // A child of this process has it until it becomes another program.
      if ((error as SysError).code !== 'ETXTBSY' || attempt === PATIENCE.attempts) throw error
      await sleep(PATIENCE.ms)
    }
  }
}

/**
 * Whether an image is under verity with the digest that was written down, or none was.
 *
 * @throws `ENOENT` if there should be an image, and is none
 */
export async function isAsMeasured(native: NativeCalls, home: Home, id: CacheID): Promise<boolean> {
  const wanted = await readDigest(home, id)
  if (wanted === undefined) return true
  const digest = await withFile(native, home.image(id), async (fd) => native.measureVerity(fd))
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

async function withFile<T>(
  native: NativeCalls,
  path: string,
  use: (fd: number) => Promise<T>,
): Promise<T> {
  const fd = native.openat(AT.FDCWD, new TextEncoder().encode(path), O.RDONLY)
  try {
    return await use(fd)
  } finally {
    native.close(fd)
  }
}
