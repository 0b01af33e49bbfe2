import { partsOf } from '../apply/paths.ts'
import { S } from '../tree/files.ts'
import { type Files, type Found, is } from './files.ts'
import { isDots } from './load-tree.ts'

/** As in Linux. */
const MAX_LINKS = 40

/** A path in an image: bytes, or text that stands for its UTF-8. Links lead nowhere else. */
export type ErofsPath = string | Uint8Array

/**
 * Finds a path as the kernel would under a root of its own.
 *
 * @param follow whether a final link is followed
 */
export async function findPath(
  files: Files,
  rootNid: number,
  path: ErofsPath,
  follow: boolean,
): Promise<Found | undefined> {
  const bytes = typeof path === 'string' ? new TextEncoder().encode(path) : path
  const root = await files.inode(rootNid)
  const ahead = partsOf(bytes).reverse()
  let trail: Found[] = [root]
  let links = 0
  for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
    const name = part.bytes.subarray(part.from, part.to)
    const at = trail.at(-1) as Found
    if (!is(at, S.IFDIR)) return undefined
    if (isDots(name)) {
      if (trail.length > 1) trail.pop()
      continue
    }
    const child = await findChild(files, at, name)
    if (!child) return undefined
    if (!is(child, S.IFLNK) || (ahead.length === 0 && !follow)) {
      trail.push(child)
      continue
    }
    if (++links > MAX_LINKS) return undefined
    const target = await files.pages.run(() => files.target(child))
    if (target[0] === 0x2f) trail = [root]
    ahead.push(...partsOf(target).reverse())
  }
  return trail.at(-1)
}

/** Names are sorted, so half of the blocks is left out at each step. */
async function findChild(
  files: Files,
  { nid, inode }: Found,
  wanted: Uint8Array,
): Promise<Found | undefined> {
  const { pages, inodes } = files
  let [low, high] = [0, inodes.blocksOf(inode) - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const names = await pages.run(() => inodes.dirents(nid, inode, middle))
    const found = names.find(({ name }) => compare(name, wanted) === 0)
    if (found) return await files.inode(found.nid)
    const [first] = names
    if (first && compare(wanted, first.name) < 0) high = middle - 1
    else low = middle + 1
  }
  return undefined
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length)
  for (let i = 0; i < common; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
