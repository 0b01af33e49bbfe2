import { S } from '../tree/files.ts'
import { ROOT, type Tree } from '../tree/tree.ts'
import { sortedEntries } from './directory-blocks.ts'

/** All files of a tree in the order in which their inodes are written. */
export interface Walked {
  /** The files of one directory follow each other, then come those of its first subdirectory. */
  readonly files: Int32Array
  /** How many directories are in one, by file. */
  readonly subdirectories: Uint32Array
  /** The name of a directory, by file. */
  readonly directoryName: Int32Array
  /** The sorted names of a directory, with `.` and `..`. */
  entriesOf(file: number): Int32Array
}

/** Puts the files of a tree in order, the root first; what has no name any more is left out. */
export function walk(tree: Tree): Walked {
  const { names, files } = tree
  const order = new Int32Array(files.count)
  const seen = new Uint8Array(files.count)
  const subdirectories = new Uint32Array(files.count)
  const directoryName = new Int32Array(files.count)
  const from = new Uint32Array(files.count)
  const length = new Uint32Array(files.count)
  // Each directory has two entries more than names.
  const entries = new Int32Array(names.count * 3)
  let count = 0
  let used = 0
  const take = (file: number) => {
    if (seen[file]) return
    seen[file] = 1
    order[count++] = file
  }
  take(names.file[ROOT] as number)
  const ahead: number[] = [ROOT]
  for (let directory = ahead.pop(); directory !== undefined; directory = ahead.pop()) {
    const file = names.file[directory] as number
    directoryName[file] = directory
    const sorted = sortedEntries(names, directory)
    from[file] = used
    length[file] = sorted.length
    entries.set(sorted, used)
    used += sorted.length
    const below: number[] = []
    for (const name of sorted) {
      if (name < 0) continue
      take(names.file[name] as number)
      if (tree.typeOf(name) === S.IFDIR) below.push(name)
    }
    subdirectories[file] = below.length
    for (const name of below.reverse()) ahead.push(name)
  }
  return {
    files: order.subarray(0, count),
    subdirectories,
    directoryName,
    entriesOf: (file) => {
      const at = from[file] as number
      return entries.subarray(at, at + (length[file] as number))
    },
  }
}
