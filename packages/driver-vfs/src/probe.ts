import { join } from 'node:path'
import process from 'node:process'
import type { DriverCapabilities } from '@varve/core'
import { AT, type NativeCalls, O, S, type Sys, type SysError } from '@varve/sys'

type Keeps = DriverCapabilities['keeps']

const bytes = (text: string) => new TextEncoder().encode(text)

/** `struct vfs_cap_data` of linux/capability.h, version 2, with none in it. */
const NO_CAPABILITY = new Uint8Array([0, 0, 0, 2, ...new Uint8Array(16)])

/** How the kernel says no, to this user or on this file system. */
const NO: ReadonlySet<string> = new Set(['EPERM', 'EACCES', 'EINVAL', 'ENOTSUP', 'EROFS'])

/**
 * Tries what of a file's metadata survives in a directory, for this user.
 *
 * @param directory an empty directory of one's own
 */
export function probeKeeps(sys: Sys, directory: string): Keeps {
  const { native } = sys
  if (!native) {
    return { owner: process.getuid?.() === 0, xattrs: false, devices: false }
  }
  const fd = native.openat(AT.FDCWD, bytes(directory), O.RDONLY | O.DIRECTORY)
  try {
    const file = bytes('probe')
    native.close(native.openat(fd, file, O.WRONLY | O.CREAT | O.EXCL, 0o600))
    return {
      owner: works(() => native.fchownat(fd, file, 1, 1)),
      // An ordinary user may set the first kind only; images need both.
      xattrs: works(() => {
        native.setxattr(fd, file, bytes('user.varve'), bytes('probe'))
        native.setxattr(fd, file, bytes('security.capability'), NO_CAPABILITY)
      }),
      devices: works(() => native.mknodat(fd, bytes('null'), S.IFCHR | 0o600, 1, 3)),
    }
  } finally {
    native.close(fd)
  }
}

function works(attempt: () => void): boolean {
  try {
    attempt()
    return true
  } catch (error) {
    if (NO.has((error as SysError).code)) return false
    throw error
  }
}

/**
 * Whether files can share their blocks here.
 *
 * @param directory an empty directory of one's own
 */
export function probeReflink(native: NativeCalls, directory: string): boolean {
  const open = (name: string) =>
    native.openat(AT.FDCWD, bytes(join(directory, name)), O.RDWR | O.CREAT | O.EXCL, 0o600)
  const from = open('reflink-from')
  try {
    native.write(from, new Uint8Array(4096).fill(1))
    const to = open('reflink-to')
    try {
      return native.reflink(from, to)
    } finally {
      native.close(to)
    }
  } finally {
    native.close(from)
  }
}
