import type { Xattr } from '../tree/xattr-sets.ts'

/** Greatest value that EROFS has room for (a 16-bit size). */
const MAX_VALUE = 0xffff
/** Linux's `XATTR_NAME_MAX`. */
const MAX_NAME = 255
/** `<linux/capability.h>`: `VFS_CAP_REVISION_2` and `_3`, and how long each is. */
const CAPABILITY_SIZES: ReadonlyMap<number, number> = new Map([
  [0x02000000, 20],
  [0x03000000, 24],
])
/** `VFS_CAP_FLAGS_EFFECTIVE`, the one flag beside the revision. */
const EFFECTIVE = 1
/** The id that no user has. */
const NO_USER = 0xffffffff
/** `<linux/posix_acl_xattr.h>`. */
const ACL_VERSION = 2
/** Owner, users, group, groups, mask, others. */
const ACL_TAGS: ReadonlyMap<number, string> = new Map([
  [1, 'u'],
  [2, 'U'],
  [4, 'g'],
  [8, 'G'],
  [16, 'm'],
  [32, 'o'],
])

/**
 * Whether an attribute is one that the kernel would have taken from a program that sets it, and that
 * EROFS can hold. Others are left out, as by a file system that cannot keep them.
 */
export function isStorable({ name, value }: Xattr): boolean {
  if (value.length > MAX_VALUE || new TextEncoder().encode(name).length > MAX_NAME) return false
  if (name === 'security.capability') return isCapability(value)
  if (name === 'system.posix_acl_access' || name === 'system.posix_acl_default') return isAcl(value)
  return /^(?:user|trusted|security)\../s.test(name) && !name.includes('\0')
}

/** As Linux 6.18 `security/commoncap.c`, `validheader`: of others not even the value can be read. */
function isCapability(value: Uint8Array): boolean {
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  if (value.length < 4) return false
  const revision = (view.getUint32(0, true) & ~EFFECTIVE) >>> 0
  if (CAPABILITY_SIZES.get(revision) !== value.length) return false
  // Revision 3 says for which root user it holds.
  return value.length < 24 || view.getUint32(20, true) !== NO_USER
}

/** A header and entries of 8 bytes (tag, permissions, id), in the order of acl(5). */
function isAcl(value: Uint8Array): boolean {
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  if (value.length < 4 || value.length % 8 !== 4) return false
  if (view.getUint32(0, true) !== ACL_VERSION) return false
  let entries = ''
  for (let at = 4; at < value.length; at += 8) {
    entries += ACL_TAGS.get(view.getUint16(at, true)) ?? '?'
    if (view.getUint16(at + 2, true) > 7) return false
  }
  return /^uU*gG*m?o$/.test(entries) && (entries.includes('m') || !/[UG]/.test(entries))
}
