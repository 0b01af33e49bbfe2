import type { FileStat } from '@varve/sys'
import type { FileCalls } from '../safe-root/calls.ts'

/**
 * How a tree that holds only what is different (overlay's upper directory) tells what it hides of
 * the tree beneath. A name that it does not have is then unchanged, not deleted, so that comparing
 * costs by the changes, not by the tree.
 *
 * Both are asked once for each name or directory, and may throw to say that these marks cannot tell.
 */
export interface LayerMarks {
  /** Whether a name stands for one that is hidden. */
  isWhiteout(calls: FileCalls, dirfd: number, name: Uint8Array, stat: FileStat): boolean
  /** Whether nothing beneath shows through the directory that `dirfd` is open on. */
  isOpaque(calls: FileCalls, dirfd: number): boolean
}
