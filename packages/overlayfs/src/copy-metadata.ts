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
 *
 * @param rename the name that an extended attribute gets; undefined to leave it out
 */
export function copyMetadata(
  native: NativeCalls,
  from: Spot,
  to: Spot,
  stat: FileStat,
  rename: (name: string) => string | undefined,
): void {
  native.fchownat(...to, stat.uid, stat.gid)
  for (const attribute of native.listxattr(...from)) {
    const name = new TextDecoder('latin1').decode(attribute)
    const renamed = name === SELINUX ? undefined : rename(name)
    if (renamed === undefined) continue
    const value = native.getxattr(...from, attribute)
    // The bytes as they are, which need not be UTF-8.
    const target = renamed === name ? attribute : new TextEncoder().encode(renamed)
    if (value !== undefined) native.setxattr(...to, target, value)
  }
  if ((stat.mode & S.IFMT) !== S.IFLNK) native.fchmodat(...to, stat.mode & 0o7777)
  native.utimensat(...to, stat.atimeNs, stat.mtimeNs)
}
