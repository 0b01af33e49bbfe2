import process from 'node:process'
import type { NativeCalls, Sys, SysError } from '@varve/sys'
import { fileSystemOf } from '@varve/trees'
import { unsupported } from './image-mounter.ts'

const WITHOUT_MOUNTS = 'Use the vfs driver, or open this one with { mounts: false }'

/**
 * Refuses at once where it is plain that nothing can be mounted, before anything is made.
 *
 * @returns the calls to mount with
 */
export function requireMounts(sys: Sys): NativeCalls {
  const { native } = sys
  if (!native) {
    const why = sys.limits[0] ?? 'there is no FFI'
    throw unsupported(why, undefined, `${WITHOUT_MOUNTS}; or install the package koffi on Linux`)
  }
  if (process.geteuid?.() !== 0) {
    throw unsupported('only root may mount', undefined, `Run as root. ${WITHOUT_MOUNTS}`)
  }
  if (!native.hasOpenat2) {
    throw unsupported(
      'the kernel has no openat2, or a filter forbids it',
      undefined,
      WITHOUT_MOUNTS,
    )
  }
  try {
    native.close(native.fsopen('erofs'))
  } catch (error) {
    const { code } = error as SysError
    const why =
      code === 'ENODEV'
        ? 'this kernel has no EROFS'
        : code === 'EPERM'
          ? 'EROFS cannot be mounted in a user namespace'
          : 'the kernel has no mount calls of Linux 5.2, or a filter forbids them'
    throw unsupported(why, error)
  }
  return native
}

/** @param path the driver's home */
export async function requireFileSystem(path: string): Promise<void> {
  if ((await fileSystemOf(path)) !== 'overlayfs') return
  throw unsupported(
    'its home is on an overlay, and the kernel writes to no overlay on an overlay',
    undefined,
    'Put the store on a volume or a tmpfs, or use the vfs driver',
  )
}
