import { DIRENT } from '../format/dirents.ts'
import type { Names } from '../tree/names.ts'

/** Entries of a directory that are no names of the tree. */
export const SELF = -1
export const UP = -2
const DOT = 0x2e

/** A directory's names with `.` and `..` among them, sorted byte by byte. */
export function sortedEntries(names: Names, directory: number): number[] {
  const sorted = names.children(directory).sort((a, b) => names.compare(a, b))
  // `.` and `..` are next to each other but for names that begin with a dot and a byte below it.
  insert(names, sorted, UP, 2)
  insert(names, sorted, SELF, 1)
  return sorted
}

function insert(names: Names, sorted: number[], entry: number, dots: number): void {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const other = sorted[middle] as number
    // Of the two themselves, `..` is inserted first and comes last.
    if (other !== UP && isBefore(names, other, dots)) low = middle + 1
    else high = middle
  }
  sorted.splice(low, 0, entry)
}

/** Whether a name comes before one of that many dots. */
function isBefore(names: Names, name: number, dots: number): boolean {
  for (let i = 0; i < dots; i++) {
    const byte = names.byteAt(name, i)
    // Behind its end, or a byte below a dot.
    if (byte !== DOT) return !(byte > DOT)
  }
  return false
}

/** Bytes of an entry's name. */
export function nameLength(names: Names, entry: number): number {
  return entry < 0 ? -entry : names.length(entry)
}

/** One block of a directory: which entries are in it, and how many bytes they take. */
export interface DirectoryBlock {
  readonly from: number
  readonly to: number
  readonly bytes: number
}

/** How entries are spread over blocks: as many into each as fit. */
export function* directoryBlocks(
  names: Names,
  entries: ArrayLike<number>,
  blockBytes: number,
): Generator<DirectoryBlock> {
  let from = 0
  let bytes = 0
  for (let at = 0; at < entries.length; at++) {
    const more = DIRENT + nameLength(names, entries[at] as number)
    if (bytes + more > blockBytes) {
      yield { from, to: at, bytes }
      from = at
      bytes = 0
    }
    bytes += more
  }
  yield { from, to: entries.length, bytes }
}
