import { type FileStat, type NativeCalls, S } from '@varve/sys'

/** A file, by a directory and its name there, or by a descriptor and no name. */
export type Spot = readonly [fd: number, name: Uint8Array]

/** No name: what the descriptor itself is open on. */
export const ITSELF: Uint8Array = new Uint8Array(0)

/** SELinux's label is the policy's business, and the same label is what a copy gets. */
const SELINUX = 'security.selinux'

/**
 * Gives a new file the metadata of another.
 *
 * The order matters: changing the owner clears set-id bits and `security.capability`, and
 * everything but the last call changes times.
 */
export function copyMetadata(
  native: NativeCalls,
  from: Spot,
  to: Spot,
  stat: FileStat,
  keepOwner: boolean,
): void {
  if (keepOwner) native.fchownat(...to, stat.uid, stat.gid)
  copyXattrs(native, from, to)
  if ((stat.mode & S.IFMT) !== S.IFLNK) native.fchmodat(...to, stat.mode & 0o7777)
  native.utimensat(...to, stat.atimeNs, stat.mtimeNs)
}

function copyXattrs(native: NativeCalls, from: Spot, to: Spot): void {
  for (const attribute of native.listxattr(...from)) {
    if (isSelinux(attribute)) continue
    const value = native.getxattr(...from, attribute)
    if (value !== undefined) native.setxattr(...to, attribute, value)
  }
}

function isSelinux(attribute: Uint8Array): boolean {
  return (
    attribute.length === SELINUX.length && new TextDecoder('latin1').decode(attribute) === SELINUX
  )
}
