import { S } from '@varve/sys'
import { openReadable } from '../files/read-file.ts'
import { fromBinary, joined, shown, toBinary } from '../safe-root/binary.ts'
import type { SafeRoot } from '../safe-root/safe-root.ts'
import {
  compareFile,
  type Found,
  mayBeMissing,
  type Seen,
  type VerifyRules,
} from './compare-file.ts'
import { type ModelFile, type ModelTree, spotOf } from './model-tree.ts'

const CHUNK_BYTES = 256 * 1024

/** A tree, what it should be, and what that began as. */
export interface Compared {
  readonly tree: SafeRoot
  readonly model: ModelTree
  readonly lower: SafeRoot | undefined
  /** Whether the tree is a copy of the lower one, rather than sharing its files. */
  readonly isCopy: boolean
  readonly rules: VerifyRules
}

/** A text for each difference of a tree from its model; undefined now and then, to give others a turn. */
export function* compareWithModel(compared: Compared): Generator<string | undefined> {
  const { tree, model, isCopy, rules } = compared
  const seen: Seen = new Map()
  if (model.root.isSet || isCopy) {
    const { fd } = tree.open('')
    const found = { calls: tree.calls, dirfd: fd, name: new Uint8Array(0), path: '' }
    yield* compareFile({ ...found, stat: tree.calls.fstat(fd) }, model.root, model, seen, rules)
  }
  const directories: [path: string, expected: ModelFile][] = [['', model.root]]
  for (let next = directories.pop(); next; next = directories.pop()) {
    const [path, directory] = next
    // All that is in it is known, unless what the layers beneath have shows through.
    const isWhole = isCopy || directory.lower === undefined
    if (isCopy) model.list(directory)
    for (const [name, file] of directory.names) {
      yield
      const found = findIn(tree, path, name)
      const own = joined(path, name)
      if (!file) {
        if (found) yield `${shown(own)}: it is there although the layer hides it`
      } else if (!found) {
        if (!mayBeMissing(file, rules)) yield `${shown(own)}: it is missing`
      } else if (isCopy || file.isSet) {
        yield* compareFile(found, file, model, seen, rules)
        yield* compareContent(compared, found, file, seen)
      }
      if (file && found && isDirectory(file) && isDirectory(found.stat)) {
        directories.push([own, file])
      }
    }
    if (isWhole) yield* findOthers(tree, path, directory)
    directory.names.clear()
  }
}

/** What no layer has. */
function* findOthers(tree: SafeRoot, path: string, { names }: ModelFile): Generator<string> {
  for (const entry of tree.list(path)) {
    const name = toBinary(entry.name)
    if (!names.has(name)) yield `${shown(joined(path, name))}: it is not the layer's`
  }
}

function findIn(tree: SafeRoot, directory: string, base: string): Found | undefined {
  const { fd: dirfd } = tree.open(directory)
  const name = fromBinary(base)
  const stat = tree.calls.statIfAny(dirfd, name)
  return stat && { calls: tree.calls, dirfd, name, path: joined(directory, base), stat }
}

/** The bytes of a file that was copied; those of the layer's own files are in its tar. */
function* compareContent(
  { tree, lower, isCopy }: Compared,
  { path, stat }: Found,
  file: ModelFile,
  seen: Seen,
): Generator<string | undefined> {
  if (!isCopy || !lower || file.lower === undefined || stat.size !== file.size) return
  if ((file.mode & S.IFMT) !== S.IFREG || (stat.mode & S.IFMT) !== S.IFREG) return
  if (seen.get(file)?.path !== path || stat.size === 0) return
  const from = openReadable(lower.calls, ...spotOf(lower, file.lower))
  try {
    const to = openReadable(tree.calls, ...spotOf(tree, path))
    try {
      const [was, is] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)]
      for (let length = 1; length > 0; yield) {
        length = lower.calls.read(from, was)
        const same = tree.calls.read(to, is) === length && !was.compare(is, 0, length, 0, length)
        if (!same) {
          yield `${shown(path)}: its content is not that of the layer beneath`
          return
        }
      }
    } finally {
      tree.calls.close(to)
    }
  } finally {
    lower.calls.close(from)
  }
}

function isDirectory({ mode }: { readonly mode: number }): boolean {
  return (mode & S.IFMT) === S.IFDIR
}
