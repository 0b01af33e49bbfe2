import { mkdirSync } from 'node:fs'
import { AT, type NativeCalls, O, S } from '@varve/sys'
import { bytes } from './place.ts'

const NS = 1_000_000_000n

/** Fills a new directory with everything that a file system can hold and a copy can lose. */
export function makeOddTree(path: string, native: NativeCalls, isRoot: boolean): void {
  mkdirSync(path)
  const root = native.openat(AT.FDCWD, bytes(path), O.RDONLY | O.DIRECTORY)
  const file = (
    dir: number,
    name: string | Uint8Array,
    write: (fd: number) => void,
    mode = 0o644,
  ) => {
    const raw = typeof name === 'string' ? bytes(name) : name
    const fd = native.openat(dir, raw, O.RDWR | O.CREAT | O.EXCL, 0o600)
    write(fd)
    native.fchmod(fd, mode)
    native.close(fd)
  }
  const text = (content: string) => (fd: number) => native.write(fd, bytes(content))
  try {
    file(root, 'plain', text('plain'))
    file(root, 'empty', () => {}, 0o000)
    file(root, 'large', (fd) => native.write(fd, new Uint8Array(3_000_001).fill(7)))
    file(root, 'set-id', text('#!'), 0o6755)
    file(root, 'sparse', (fd) => {
      native.write(fd, bytes('head'))
      native.write(fd, new Uint8Array(8192).fill(1), 5_000_000)
      native.ftruncate(fd, 9_000_000)
    })
    file(root, 'hole', (fd) => native.ftruncate(fd, 1_000_000))
    file(root, new Uint8Array([0xff, 0xfe, 0x20, 0x0a]), text('a name that is not UTF-8'))
    file(root, 'x'.repeat(255), text('a long name'))

    native.mkdirat(root, bytes('dir'), 0o755)
    const dir = native.openat(root, bytes('dir'), O.RDONLY | O.DIRECTORY)
    file(dir, 'inside', text('inside'))
    native.linkat(root, bytes('plain'), dir, bytes('hard'))
    native.symlinkat(bytes('../plain'), dir, bytes('soft'))
    native.linkat(dir, bytes('soft'), root, bytes('hard-soft'))
    native.symlinkat(new Uint8Array([0x2f, 0xff, 0x2f]), dir, bytes('dangling'))
    native.mknodat(dir, bytes('fifo'), S.IFIFO | 0o640)
    native.setxattr(dir, bytes('inside'), bytes('user.binary'), new Uint8Array([0, 255, 0, 254]))
    native.setxattr(dir, bytes('inside'), bytes('user.empty'), new Uint8Array(0))
    native.setxattr(dir, new Uint8Array(0), bytes('user.on-dir'), bytes('yes'))
    if (isRoot) makeRootsOnly(native, root, dir)
    native.mkdirat(dir, bytes('closed'), 0o700)
    native.utimensat(dir, bytes('closed'), 1n, 1_234_567_890n * NS + 123_456_789n)
    native.fchmodat(dir, bytes('closed'), 0o555)
    native.utimensat(dir, bytes('inside'), 0n, -5n * NS + 1n)
    native.utimensat(dir, bytes('soft'), 0n, 4_000_000_000n * NS + 999_999_999n)
    native.utimensat(dir, bytes('fifo'), 3n, 4n)
    native.close(dir)
    native.utimensat(root, bytes('dir'), 5n, 1_600_000_000n * NS + 7n)
    native.fchmodat(root, bytes('dir'), 0o1777)
    native.utimensat(root, new Uint8Array(0), 5n, 1_500_000_000n * NS + 9n)
  } finally {
    native.close(root)
  }
}

function makeRootsOnly(native: NativeCalls, root: number, dir: number): void {
  native.mknodat(dir, bytes('char'), S.IFCHR | 0o666, 1, 3)
  // As much as xfs takes.
  native.mknodat(dir, bytes('block'), S.IFBLK | 0o660, 0x1ff, 0x3ffff)
  native.mknodat(dir, bytes('whiteout'), S.IFCHR, 0, 0)
  native.fchownat(dir, bytes('char'), 5, 6)
  native.fchownat(dir, bytes('soft'), 7, 8)
  native.fchownat(root, bytes('set-id'), 1000, 2000)
  native.fchmodat(root, bytes('set-id'), 0o6755)
  // struct vfs_cap_data of linux/capability.h, version 2: cap_net_raw, effective.
  const capability = new Uint8Array(20)
  new DataView(capability.buffer).setUint32(0, 0x02000001, true)
  new DataView(capability.buffer).setUint32(4, 1 << 13, true)
  native.setxattr(root, bytes('large'), bytes('security.capability'), capability)
  native.setxattr(dir, bytes('soft'), bytes('trusted.on-link'), bytes('yes'))
  native.setxattr(dir, new Uint8Array(0), bytes('trusted.overlay.opaque'), bytes('y'))
}
