/**
 * Linux's mount calls as they are: the old one, and the ones that build a mount step by step.
 *
 * They follow the rules of `native-calls.ts`: synchronous, paths are raw bytes, a failure throws a
 * {@link SysError}, descriptors are close-on-exec. All need `CAP_SYS_ADMIN` in the mount namespace.
 * What the kernel lacks is `ENOSYS`.
 *
 * @module
 */

/** `<sys/mount.h>`: flags of {@link MountCalls.mount}. */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  PRIVATE: 1 << 18,
} as const satisfies Readonly<Record<string, number>>

/** `<sys/mount.h>`: flags of {@link MountCalls.umount2}. */
export const UMOUNT = {
  /** Out of the tree at once, and gone when the last user is. */
  DETACH: 2,
  NOFOLLOW: 8,
} as const satisfies Readonly<Record<string, number>>

/** `<linux/mount.h>`: what a mount, as opposed to its file system, is told. */
export const MOUNT_ATTR = { RDONLY: 1, NOSUID: 2, NODEV: 4 } as const satisfies Readonly<
  Record<string, number>
>

/** One setting of a file system that is being configured: a string, a descriptor, or set at all. */
export type FsSetting = string | number | true

/** See the module's text. */
export interface MountCalls {
  /**
   * mount(2). `data` must fit a page with its NUL, otherwise it is `EINVAL`.
   *
   * @param type for example `overlay`; ignored for bind mounts and remounts
   */
  mount(source: Uint8Array, target: Uint8Array, type: string, flags: number, data?: string): void
  /** umount2(2) with {@link UMOUNT} flags. */
  umount2(target: Uint8Array, flags: number): void
  /** A descriptor of a new file system of that type, to be configured. Linux 5.2. */
  fsopen(type: string): number
  /**
   * Sets one thing: a descriptor is passed as one (`FSCONFIG_SET_FD`), true as a flag. A string of
   * more than 255 bytes is `EINVAL`: the kernel takes no longer ones.
   */
  fsconfig(fsfd: number, key: string, value: FsSetting): void
  /** `FSCONFIG_CMD_CREATE`: makes the file system as configured. */
  fscreate(fsfd: number): void
  /** What the kernel has to say of the failure before, one message a line; empty if nothing. */
  fsmessages(fsfd: number): string
  /**
   * A mount of a file system that was made, with {@link MOUNT_ATTR}. It is nowhere yet: reach its
   * files by the descriptor, or put it somewhere with `moveMount`. Closing the descriptor of one that
   * was put nowhere unmounts it.
   */
  fsmount(fsfd: number, attributes: number): number
  /** Puts a mount that is nowhere at a path. */
  moveMount(mountfd: number, target: Uint8Array): void
  /**
   * Sets and clears {@link MOUNT_ATTR} of the mount at a path and leaves the others as they are:
   * in a user namespace some may not be cleared, as a remount would. Linux 5.12.
   */
  mountSetattr(target: Uint8Array, set: number, clear: number): void
}
