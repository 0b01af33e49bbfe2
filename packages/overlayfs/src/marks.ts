import { type FileStat, S } from '@varve/sys'

/**
 * Overlay's extended attributes on files of its layers (Linux `Documentation/filesystems/
 * overlayfs.rst`): `trusted.overlay.…`, or `user.overlay.…` in mounts with `userxattr`.
 */
export interface Marks {
  /** `trusted.overlay.` or `user.overlay.` */
  readonly prefix: string
  /** Whether an attribute tells something to overlay, rather than being a file's own. */
  isMark(name: string): boolean
  /** `y`: nothing of the layers beneath shows through this directory. */
  readonly opaque: Uint8Array
  /** This directory is what another name was beneath. */
  readonly redirect: Uint8Array
  /** This file has its metadata here and its content beneath. */
  readonly metacopy: Uint8Array
  /** This empty file is a whiteout. */
  readonly whiteout: Uint8Array
}

const TRUSTED = 'trusted.overlay.'
const USER = 'user.overlay.'
/** fuse-overlayfs's own attributes (its `main.c`, `XATTR_PREFIX`). */
export const FUSE_XATTRS = 'user.fuseoverlayfs.'
/** Overlay takes one away and shows the rest: so can a file have what looks like a mark. */
const ESCAPED = 'overlay.'

/** @param userxattr whether the marks are `user.` attributes */
export function marksOf(userxattr: boolean): Marks {
  const prefix = userxattr ? USER : TRUSTED
  const named = (name: string) => new TextEncoder().encode(prefix + name)
  return {
    prefix,
    isMark: (name) => name.startsWith(prefix) && !name.startsWith(prefix + ESCAPED),
    opaque: named('opaque'),
    redirect: named('redirect'),
    metacopy: named('metacopy'),
    whiteout: named('whiteout'),
  }
}

/**
 * The name under which a file's own attribute is kept in a layer: what overlay would take for a mark,
 * now or in another mount of the same files, is escaped.
 */
export function escapeXattr(name: string): string {
  for (const prefix of [TRUSTED, USER]) {
    if (name.startsWith(prefix)) return prefix + ESCAPED + name.slice(prefix.length)
  }
  return name
}

/**
 * The name under which an attribute of a tar is kept in a layer, undefined if it is not: those of
 * fuse-overlayfs could hide files, and in a user namespace there are no trusted ones.
 */
export function keptXattr(name: string, marks: Marks): string | undefined {
  if (name.startsWith(FUSE_XATTRS)) return undefined
  if (marks.prefix === USER && name.startsWith('trusted.')) return undefined
  return escapeXattr(name)
}

/** A character device 0:0: what is beneath it is not there. */
export function isWhiteoutDevice(stat: FileStat): boolean {
  return (stat.mode & S.IFMT) === S.IFCHR && stat.rdevMajor === 0 && stat.rdevMinor === 0
}
