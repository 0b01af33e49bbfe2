import { corrupt } from '../fault.ts'
import type { Xattr } from '../tree/xattr-sets.ts'

/** Linux erofs_fs.h, `EROFS_XATTR_INDEX_*`; in this order no prefix hides a longer one. */
const PREFIXES: readonly (readonly [prefix: string, index: number])[] = [
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
  ['user.', 1],
  ['trusted.', 4],
  ['security.', 6],
]
/** Bytes of `struct erofs_xattr_ibody_header`. */
export const BODY_HEADER = 12
const ENTRY_HEADER = 4
/** The shared attributes of one inode: their count has 8 bits. */
export const MAX_SHARED = 255
const encoder = new TextEncoder()

/** An attribute as it is on disk: padded to 4 bytes. */
export function encodeXattr({ name, value }: Xattr): Uint8Array {
  const [prefix, index] = PREFIXES.find(([each]) => name.startsWith(each)) ?? ['', 0]
  const rest = encoder.encode(name.slice(prefix.length))
  const bytes = new Uint8Array(padded(ENTRY_HEADER + rest.length + value.length))
  bytes[0] = rest.length
  bytes[1] = index
  bytes[2] = value.length & 0xff
  bytes[3] = value.length >> 8
  bytes.set(rest, ENTRY_HEADER)
  bytes.set(value, ENTRY_HEADER + rest.length)
  return bytes
}

/** What is written behind an inode: a header, the shared ones' ids, then its own. */
export function encodeXattrBody(shared: readonly number[], own: readonly Uint8Array[]): Uint8Array {
  const ownBytes = own.reduce((sum, entry) => sum + entry.length, 0)
  const bytes = new Uint8Array(BODY_HEADER + shared.length * 4 + ownBytes)
  const view = new DataView(bytes.buffer)
  bytes[4] = shared.length
  for (const [i, id] of shared.entries()) view.setUint32(BODY_HEADER + i * 4, id, true)
  let at = BODY_HEADER + shared.length * 4
  for (const entry of own) {
    bytes.set(entry, at)
    at += entry.length
  }
  return bytes
}

/** The on-disk count for a body of that many bytes. */
export function xattrCountOf(bytes: number): number {
  return bytes === 0 ? 0 : (bytes - BODY_HEADER) / 4 + 1
}

/** How many bytes a count stands for. */
export function xattrBytesOf(count: number): number {
  return count === 0 ? 0 : BODY_HEADER + (count - 1) * 4
}

/** The attribute at `at`, and where the next one begins. @throws LayerError `ERR_CORRUPT_LAYER` */
export function decodeXattr(bytes: Uint8Array, at: number): readonly [Xattr, next: number] {
  const nameLength = bytes[at] ?? 0
  const valueLength = (bytes[at + 2] ?? 0) | ((bytes[at + 3] ?? 0) << 8)
  const nameAt = at + ENTRY_HEADER
  const end = nameAt + nameLength + valueLength
  const prefix = PREFIXES.find(([, index]) => index === bytes[at + 1])
  if (end > bytes.length || !prefix) throw corrupt('an extended attribute is malformed')
  const name = new TextDecoder().decode(bytes.subarray(nameAt, nameAt + nameLength))
  const value = bytes.slice(nameAt + nameLength, end)
  return [{ name: prefix[0] + name, value }, at + padded(end - at)]
}

function padded(bytes: number): number {
  return (bytes + 3) & ~3
}
