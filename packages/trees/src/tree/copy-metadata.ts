import { type FileStat, type NativeCalls, S } from '@varve/sys'

/** A file, by a directory and its name there, or by a descriptor and no name. */
export type Spot = readonly [fd: number, name: Uint8Array]

/** No name: what the descriptor itself is open on. */
export const ITSELF: Uint8Array = new Uint8Array(0)

/** SELinux's label is the policy's business, and the same label is what a copy gets. */
const SELINUX = 'security.selinux'

/** How {@link copyMetadata} copies. */
export interface MetadataRules {
  readonly keepOwner: boolean
  /** The name that an extended attribute gets, undefined to leave it out; default: its own. */
  readonly rename?: (name: string) => string | undefined
}

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
  { keepOwner, rename }: MetadataRules,
): void {
  if (keepOwner) native.fchownat(...to, stat.uid, stat.gid)
  for (const attribute of native.listxattr(...from)) {
    const target = renamed(attribute, rename)
    if (target === undefined) continue
    const value = native.getxattr(...from, attribute)
    if (value !== undefined) native.setxattr(...to, target, value)
  }
  if ((stat.mode & S.IFMT) !== S.IFLNK) native.fchmodat(...to, stat.mode & 0o7777)
  native.utimensat(...to, stat.atimeNs, stat.mtimeNs)
}

/** An unchanged name as the bytes that it is, which need not be UTF-8. */
function renamed(attribute: Uint8Array, rename: MetadataRules['rename']): Uint8Array | undefined {
  if (!rename && attribute.length !== SELINUX.length) return attribute
  const name = new TextDecoder('latin1').decode(attribute)
  if (name === SELINUX) return undefined
  const target = rename ? rename(name) : name
  if (target === undefined) return undefined
  return target === name ? attribute : new TextEncoder().encode(target)
}
