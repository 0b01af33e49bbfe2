import type { FileCalls } from '../safe-root/calls.ts'

/** Of this machine, not of the layer: labels, integrity signatures, overlayfs's own notes. */
const OF_THE_MACHINE = /^(?:security\.(?:selinux|ima|evm)$|(?:trusted|user)\.overlay\.)/
const CAPABILITY = 'security.capability'
/** `linux/capability.h`: the revision is in the highest byte of a little-endian number. */
const REVISION_AT = 3
const REVISION_2 = 2
const REVISION_3 = 3
const REVISION_2_LENGTH = 20

/**
 * A file's extended attributes as a layer has them. Capabilities that are tied to a user namespace
 * (revision 3) lose that tie (revision 2), as in Docker: the namespace means nothing elsewhere.
 */
export function exportedXattrs(
  calls: FileCalls,
  dirfd: number,
  name: Uint8Array,
): ReadonlyMap<string, Uint8Array> | undefined {
  const names = calls.listxattr(dirfd, name)
  if (names.length === 0) return undefined
  const found = new Map<string, Uint8Array>()
  for (const attribute of names) {
    const key = Buffer.from(attribute).toString()
    if (OF_THE_MACHINE.test(key)) continue
    const value = calls.getxattr(dirfd, name, attribute)
    if (value) found.set(key, key === CAPABILITY ? portableCapability(value) : value)
  }
  return found
}

/** See {@link exportedXattrs}. */
export function portableCapability(value: Uint8Array): Uint8Array {
  if (value[REVISION_AT] !== REVISION_3 || value.length < REVISION_2_LENGTH) return value
  const portable = Uint8Array.from(value.subarray(0, REVISION_2_LENGTH))
  portable[REVISION_AT] = REVISION_2
  return portable
}
