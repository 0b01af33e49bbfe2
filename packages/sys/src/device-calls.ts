/**
 * Linux's loop devices, which make a block device of a file, and fs-verity, with which the kernel
 * itself checks every page of a file that it reads.
 *
 * They follow the rules of `native-calls.ts`.
 *
 * @module
 */

/** A file that is a block device. */
export interface LoopDevice {
  /** `/dev/loop7` */
  readonly path: string
  /** Keeps it until it is closed; then it is gone with the last mount of it. */
  readonly fd: number
}

/** See the module's text. */
export interface DeviceCalls {
  /**
   * Makes a read-only block device of 512-byte blocks of an open file. Needs root.
   *
   * @param name what `losetup` shows
   */
  attachLoop(fd: number, name: string): LoopDevice
  /**
   * Lets the kernel check a file from now on: any change of its bytes on disk is `EIO` when they are
   * read, and nobody can write to it any more. The digest is SHA-256 over a tree of 4,096-byte blocks.
   * All of the file is read, on another thread.
   *
   * @param fd open for reading; nobody may have the file open for writing (`ETXTBSY`)
   * @returns false where the kernel or the file system cannot
   */
  enableVerity(fd: number): Promise<boolean>
  /** The digest that the kernel checks a file against; undefined if it does not. */
  measureVerity(fd: number): Uint8Array | undefined
}
