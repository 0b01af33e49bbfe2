import { LayerError } from '@varve/core/errors'
import { invalid, unsafe } from '../fault.ts'
import { S } from '../tree/files.ts'
import { NONE, PLAIN_DIRECTORY, ROOT, type Tree } from '../tree/tree.ts'

/** Linux's `NAME_MAX`. */
const MAX_NAME = 255
/** Symbolic links on the way to one file, as in Linux. */
const MAX_LINKS = 40
const SLASH = 0x2f
const DOT = 0x2e

/** One component of a path: where in some bytes it is. */
export interface Part {
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
}

/** Components of a path, without empty ones and `.`. */
export function partsOf(path: Uint8Array): Part[] {
  const parts: Part[] = []
  let from = 0
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== SLASH) continue
    const isDot = at - from === 1 && path[from] === DOT
    if (at > from && !isDot) parts.push({ bytes: path, from, to: at })
    from = at + 1
  }
  return parts
}

/**
 * A name from a tar as components below the root: inner `..` are gone; the root has none.
 *
 * @param what the name of the entry, for errors
 * @throws LayerError `ERR_UNSAFE_PATH` for one that leads out, `ERR_LIMIT_EXCEEDED`,
 *   `ERR_INVALID_TAR` for a component that no file system takes
 */
export function entryPath(path: Uint8Array, limit: number, what: Uint8Array): Part[] {
  if (path.length > limit) {
    throw new LayerError(
      'ERR_LIMIT_EXCEEDED',
      `Cannot apply layer: a name of ${path.length} bytes is longer than ${limit}`,
      { data: { length: path.length, limit } },
    )
  }
  const kept: Part[] = []
  for (const part of partsOf(path)) {
    if (part.to - part.from > MAX_NAME) throw invalid(what, 'a part of it is longer than 255 bytes')
    if (!isDotDot(part)) kept.push(part)
    else if (kept.pop() === undefined) throw unsafe(what, 'it leads out of the layer')
  }
  for (const { bytes, from, to } of kept) {
    for (let at = from; at < to; at++) if (bytes[at] === 0) throw invalid(what, 'it holds a NUL')
  }
  return kept
}

/**
 * The directory that components lead to, as if the root were the only one there is: absolute links
 * begin there anew, and nothing is above it.
 *
 * @param make what to do about a missing name: makes a directory, or returns {@link NONE}
 * @returns {@link NONE} if there is no such directory, or too many links are on the way
 */
export function findDirectory(
  tree: Tree,
  parts: readonly Part[],
  make: (directory: number, part: Part) => number,
): number {
  const { names, files } = tree
  // What is left to go, the next one last.
  const ahead = parts.toReversed()
  let at = ROOT
  let links = 0
  for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
    if (isDotDot(part)) {
      at = names.parent[at] as number
      continue
    }
    if (part.to - part.from > MAX_NAME) return NONE
    let name = names.find(at, part.bytes, part.from, part.to)
    if (name === NONE) name = make(at, part)
    if (name === NONE) return NONE
    const file = names.file[name] as number
    const type = files.type(file)
    if (type === S.IFDIR) {
      at = name
    } else if (type === S.IFLNK) {
      if (++links > MAX_LINKS) return NONE
      // A copy: a directory that is made may move the arena.
      const target = tree.targetOf(file).slice()
      if (target[0] === SLASH) at = ROOT
      ahead.push(...partsOf(target).reverse())
    } else {
      return NONE
    }
  }
  return at
}

/** Makes a missing directory: root's, 0755. */
export function makeParent(tree: Tree, directory: number, { bytes, from, to }: Part): number {
  return tree.link(directory, bytes, from, to, tree.files.add(PLAIN_DIRECTORY))
}

function isDotDot({ bytes, from, to }: Part): boolean {
  return to - from === 2 && bytes[from] === DOT && bytes[from + 1] === DOT
}
