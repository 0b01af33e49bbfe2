import type { Inode } from '../format/inode.ts'
import { S } from '../tree/files.ts'
import type { Xattr } from '../tree/xattr-sets.ts'

/** What a file of an image is. */
export type ErofsFileType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'char'
  | 'block'
  | 'fifo'
  | 'socket'
  | 'unknown'

/** Everything about a file of an image but its names and content. */
export interface ErofsStat {
  readonly type: ErofsFileType
  /** Permissions: the lower 12 bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** In bytes. */
  readonly size: number
  readonly mtime: { readonly sec: number; readonly nsec: number }
  /** How many names it has. */
  readonly links: number
  /** Which file of the image it is; equal for all names of one. */
  readonly nid: number
  /** Of a device; 0 otherwise. */
  readonly devmajor: number
  readonly devminor: number
  /** Of a symbolic link, in raw bytes. */
  readonly target: Uint8Array | undefined
  readonly xattrs: ReadonlyMap<string, Uint8Array>
}

const TYPES: Readonly<Record<number, ErofsFileType>> = {
  [S.IFREG]: 'file',
  [S.IFDIR]: 'directory',
  [S.IFLNK]: 'symlink',
  [S.IFCHR]: 'char',
  [S.IFBLK]: 'block',
  [S.IFIFO]: 'fifo',
  [S.IFSOCK]: 'socket',
}

export function statOf(
  nid: number,
  inode: Inode,
  target: Uint8Array | undefined,
  xattrs: readonly Xattr[],
): ErofsStat {
  const type = TYPES[inode.mode & S.IFMT] ?? 'unknown'
  const isDevice = type === 'char' || type === 'block'
  return {
    type,
    mode: inode.mode & 0o7777,
    uid: inode.uid,
    gid: inode.gid,
    size: inode.size,
    mtime: { sec: inode.sec, nsec: inode.nsec },
    links: inode.links,
    nid,
    // The kernel's `new_decode_dev`.
    devmajor: isDevice ? (inode.u >>> 8) & 0xfff : 0,
    devminor: isDevice ? (inode.u & 0xff) | ((inode.u >>> 12) & 0xfff00) : 0,
    target,
    xattrs: new Map(xattrs.map(({ name, value }) => [name, value])),
  }
}
