/**
 * Numbers of the Linux system interface, as in `<fcntl.h>`, `<linux/openat2.h>`, `<linux/stat.h>`,
 * `<linux/fs.h>` and `<sys/xattr.h>`. Those that differ between x86_64 and arm64 are chosen by the
 * architecture of this process.
 *
 * @module
 */
import process from 'node:process'

// arch/arm64/include/uapi/asm/fcntl.h swaps these against the generic ones that x86_64 uses.
const ARM = process.arch === 'arm64'

/** `open` flags. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DIRECTORY: ARM ? 0o40000 : 0o200000,
  NOFOLLOW: ARM ? 0o100000 : 0o400000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const satisfies Readonly<Record<string, number>>

/** Special directory descriptor and flags of the `…at` calls. */
export const AT = {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  REMOVEDIR: 0x200,
  SYMLINK_FOLLOW: 0x400,
  EMPTY_PATH: 0x1000,
} as const satisfies Readonly<Record<string, number>>

/** How `openat2` resolves a path. */
export const RESOLVE = {
  NO_XDEV: 0x01,
  NO_MAGICLINKS: 0x02,
  NO_SYMLINKS: 0x04,
  BENEATH: 0x08,
  IN_ROOT: 0x10,
} as const satisfies Readonly<Record<string, number>>

/** Flags of `renameat2`. */
export const RENAME = { NOREPLACE: 1, EXCHANGE: 2 } as const satisfies Readonly<
  Record<string, number>
>

/** File types in `mode & S.IFMT`. */
export const S = {
  IFMT: 0o170000,
  IFSOCK: 0o140000,
  IFLNK: 0o120000,
  IFREG: 0o100000,
  IFBLK: 0o060000,
  IFDIR: 0o040000,
  IFCHR: 0o020000,
  IFIFO: 0o010000,
} as const satisfies Readonly<Record<string, number>>

/** File types in {@link DirEntry.type}: `S.IF… >> 12`, or `UNKNOWN` where the file system is shy. */
export const DT = {
  UNKNOWN: 0,
  FIFO: 1,
  CHR: 2,
  DIR: 4,
  BLK: 6,
  REG: 8,
  LNK: 10,
  SOCK: 12,
} as const satisfies Readonly<Record<string, number>>
