import process from 'node:process'
import { LayerError } from '@varve/core'
import type { Sys } from '@varve/sys'
import { fileSystemOf } from '@varve/trees'

const WAY_OUT =
  'Use the vfs driver, which works everywhere, or keep the store on ext4, xfs or tmpfs'

/** `ERR_NOT_SUPPORTED`: overlay cannot work there. */
export function unsupported(why: string, cause?: unknown, hint: string = WAY_OUT): LayerError {
  return new LayerError('ERR_NOT_SUPPORTED', `Cannot use the overlay driver: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    hint,
  })
}

/**
 * Refuses at once where it is plain that overlay cannot work, before anything is made.
 *
 * @returns the calls that it works with
 */
export function requireSystem(sys: Sys): NonNullable<Sys['native']> {
  if (!sys.native) {
    const hint = 'Use the vfs driver, or Linux on x86_64 or arm64 with the package koffi'
    throw unsupported(sys.limits[0] ?? 'there is no FFI', undefined, hint)
  }
  if (!sys.native.hasOpenat2) {
    const hint = 'Use the vfs driver, or a kernel since 5.6 without a filter against openat2'
    throw unsupported('the kernel has no openat2, or a filter forbids it', undefined, hint)
  }
  if (process.geteuid?.() !== 0) {
    const hint = 'Run it by varve unshare, in a user namespace; or as root; or use the vfs driver'
    throw unsupported('only root may mount', undefined, hint)
  }
  return sys.native
}

/** @param path the driver's home */
export async function requireFileSystem(path: string): Promise<void> {
  if ((await fileSystemOf(path)) !== 'overlayfs') return
  throw unsupported(
    'its home is on an overlay itself, and the kernel writes to no overlay on an overlay',
    undefined,
    'Put the store on a volume or a tmpfs, or use the vfs driver',
  )
}
