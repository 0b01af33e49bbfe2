import type { NativeCalls } from './native-calls.ts'

/** How to open the system. */
export interface SysOptions {
  /** True: fail without it. False: do without it. By default it is used where it works. */
  readonly ffi?: boolean
}

/** How {@link Sys.lockFile} locks. */
export interface LockOptions {
  /** `shared` with other shared holders, or `exclusive`, alone. */
  readonly mode: 'shared' | 'exclusive'
  /** Gives up waiting with the signal's reason. */
  readonly signal?: AbortSignal
}

/** A held lock; free it by disposing, any way and any number of times. */
export interface FileLock extends Disposable, AsyncDisposable {
  readonly path: string
  readonly mode: 'shared' | 'exclusive'
}

/**
 * What varve needs of an operating system beyond `node:fs`.
 *
 * Where the FFI works (Linux on x86_64 and arm64) everything is kept. Elsewhere `native` is
 * undefined, the other calls do what the runtime's own modules can, and `limits` says in plain
 * words what that leaves out.
 */
export interface Sys {
  /** Linux calls; undefined without FFI. */
  readonly native: NativeCalls | undefined
  /** What cannot be kept here, one sentence each without a full stop; empty with FFI. */
  readonly limits: readonly string[]
  /**
   * Locks a file against all other processes, and against other calls in this one. The file is
   * made (0600) if there is none and never unlinked. The system frees the lock when the holder dies,
   * however it dies. Waiting does not stop the event loop; who comes first is not promised.
   */
  lockFile(path: string, options: LockOptions): Promise<FileLock>
  /** As `lockFile`, but undefined at once instead of waiting. */
  tryLockFile(path: string, mode: 'shared' | 'exclusive'): FileLock | undefined
  /** Puts a directory's entries on stable storage. Does nothing on Windows, which cannot. */
  syncDirectory(path: string): Promise<void>
  /**
   * Puts all that was written to the file system of `path` on stable storage.
   *
   * @returns false where there is no such call: then each file must be synced
   */
  syncFileSystem(path: string): Promise<boolean>
  /**
   * Renames a file or directory, unless `to` exists: then it changes nothing and returns false.
   * Without FFI the check and the rename are two steps: hold a lock around it.
   */
  renameNoReplace(from: string, to: string): Promise<boolean>
  /** Differs after every start of the machine; undefined where that cannot be told. */
  bootId(): Promise<string | undefined>
}
