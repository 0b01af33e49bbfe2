import type { CacheID, CallOptions } from '@varve/core'
import type { Marks } from '@varve/overlayfs'
import { AT, type NativeCalls, O } from '@varve/sys'
import { ITSELF } from '@varve/trees'
import type { Parts } from '../parts.ts'

/**
 * Gives a new layer all that another one has of its own, whiteouts and marks included, by reflink
 * where the file system can.
 */
export async function copyUpper(
  { home, native, marks, trees }: Parts,
  from: CacheID,
  to: CacheID,
  options: CallOptions,
): Promise<void> {
  await trees.copy(home.diff(from), home.diff(to), options)
  forgetRoot(native, marks, home.diff(to))
}

/** What the kernel wrote on the root is about that one mount: its identity, what it lies on. */
function forgetRoot(native: NativeCalls, marks: Marks, path: string): void {
  const fd = native.openat(AT.FDCWD, new TextEncoder().encode(path), O.RDONLY | O.DIRECTORY)
  try {
    for (const attribute of native.listxattr(fd, ITSELF)) {
      const name = new TextDecoder('latin1').decode(attribute)
      if (marks.isMark(name)) native.removexattr(fd, ITSELF, attribute)
    }
  } finally {
    native.close(fd)
  }
}
