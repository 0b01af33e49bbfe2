import { encodeXattr, encodeXattrBody, MAX_SHARED } from '../format/xattrs.ts'
import type { Tree } from '../tree/tree.ts'
import { keyOf } from '../tree/xattr-sets.ts'

/** Extended attributes as they are written: what several inodes have is written once. */
export interface WrittenXattrs {
  /** All shared ones, one behind the other. */
  readonly shared: Uint8Array
  /** What goes behind an inode that has a set of attributes; by the set's index. */
  body(set: number): Uint8Array
}

const NOTHING = new Uint8Array(0)
/** A shared attribute costs an inode so much. */
const ID_BYTES = 4

/** @param files those that are written */
export function writtenXattrs(tree: Tree, files: Int32Array): WrittenXattrs {
  const users = new Map<number, number>()
  for (const file of files) {
    const set = tree.files.xattrs[file] as number
    if (set !== 0) users.set(set, (users.get(set) ?? 0) + 1)
  }
  const uses = new Map<string, number>()
  for (const [set, count] of users) {
    for (const xattr of tree.xattrs.get(set)) {
      const key = keyOf(xattr)
      uses.set(key, (uses.get(key) ?? 0) + count)
    }
  }
  const ids = new Map<string, number>()
  const parts: Uint8Array[] = []
  const bodies = new Map<number, Uint8Array>()
  let length = 0
  for (const set of users.keys()) {
    const shared: number[] = []
    const own: Uint8Array[] = []
    for (const xattr of tree.xattrs.get(set)) {
      const key = keyOf(xattr)
      const bytes = encodeXattr(xattr)
      const isShared = (uses.get(key) ?? 0) > 1 && bytes.length > ID_BYTES
      if (!isShared || shared.length === MAX_SHARED) {
        own.push(bytes)
        continue
      }
      let id = ids.get(key)
      if (id === undefined) {
        id = length / 4
        ids.set(key, id)
        parts.push(bytes)
        length += bytes.length
      }
      shared.push(id)
    }
    bodies.set(set, encodeXattrBody(shared, own))
  }
  const shared = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    shared.set(part, at)
    at += part.length
  }
  return { shared, body: (set) => bodies.get(set) ?? NOTHING }
}
