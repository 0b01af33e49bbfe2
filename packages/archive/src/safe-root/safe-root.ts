import type { DirEntry, FileStat, Sys } from '@varve/sys'
import type { FileCalls } from './calls.ts'

/**
 * How directories are found.
 * - `openat2`: the kernel resolves the whole way and is told to stay inside.
 * - `walk`: component by component, each relative to the handle of the one before.
 * - `procfd`: the same without FFI, through `/proc/self/fd`.
 * - `paths`: by paths, each component looked at first. No defence against somebody who changes the
 *   tree at the same time; only for systems without handles.
 */
export type Resolver = 'openat2' | 'walk' | 'procfd' | 'paths'

/** How `openRoot` opens a tree. */
export interface RootOptions {
  /** The system, if it is open already. */
  readonly sys?: Sys
  /** Default: the best that works here. */
  readonly resolver?: Resolver
  /** Most symbolic links on the way to one directory. Default 40, as in Linux. */
  readonly maxLinks?: number
  /**
   * Give a directory of one's own that lacks them its owner's permissions when it is entered; see
   * {@link SafeRoot.loosened}. For ordinary users, who otherwise cannot fill a directory of mode
   * 0555.
   */
  readonly loosen?: boolean
  /** What is to be taken for nothing on the way to a directory, as overlay's whiteouts. */
  readonly isAbsent?: (stat: FileStat) => boolean
}

/** A directory inside a root. Valid until the next directory is asked for; keep its path. */
export interface Directory {
  readonly fd: number
  /** From the root, without any symbolic link on the way; the root itself is the empty string. */
  readonly path: string
  /** Whether what is made in it inherits its group; undefined until somebody has looked. */
  setgid: boolean | undefined
}

/**
 * A directory tree that no name leads out of.
 *
 * Paths are binary strings (see `binary.ts`), relative, `/`-separated. Symbolic links on the way to
 * a directory are followed as if the process had changed its root to the tree; the last component of
 * a file's path is never followed, because files are only named by a directory's handle and a name.
 */
export interface SafeRoot extends Disposable {
  readonly calls: FileCalls
  readonly resolver: Resolver
  /**
   * The directory at a path.
   *
   * @param make makes something at a missing name, a directory or a link to one, and returns whether
   *   it did; if not, or without it, undefined is returned
   * @throws an `ENOTDIR` or `ELOOP` error if something else is in the way
   */
  directory(path: string, make?: MakeMissing): Directory | undefined
  /** The directory at a path that has no symbolic link in it. */
  open(path: string): Directory
  /** What is in a directory. */
  list(path: string): DirEntry[]
  /** Must be called when something at a path was removed or replaced. */
  forget(path: string, wasDirectory: boolean): void
  /** Former modes of directories that were opened up, by path. */
  readonly loosened: Map<string, number>
}

/** See {@link SafeRoot.directory}. */
export type MakeMissing = (parent: Directory, name: string) => boolean
