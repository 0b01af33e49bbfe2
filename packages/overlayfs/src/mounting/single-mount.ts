import { MOUNT_ATTR, MS, type NativeCalls, type SysError, UMOUNT } from '@varve/sys'

const bytes = (text: string) => new TextEncoder().encode(text)

/** Makes a mount of what is at a path, writable or not. */
export function bindMount(
  native: NativeCalls,
  from: string,
  target: string,
  readOnly: boolean,
): void {
  native.mount(bytes(from), bytes(target), '', MS.BIND)
  setReadOnly(native, target, readOnly)
}

/** Makes this one mount read-only or writable; others of its file system stay as they are. */
export function setReadOnly(native: NativeCalls, target: string, readOnly: boolean): void {
  const { RDONLY } = MOUNT_ATTR
  try {
    native.mountSetattr(bytes(target), readOnly ? RDONLY : 0, readOnly ? 0 : RDONLY)
  } catch (error) {
    if ((error as SysError).code !== 'ENOSYS') throw error
    // Before Linux 5.12. It also drops what else the mount was told, which a user namespace may not.
    const flags = MS.REMOUNT | MS.BIND | (readOnly ? MS.RDONLY : 0)
    native.mount(bytes('none'), bytes(target), '', flags)
  }
}

/** Takes a mount out of the tree at once; it is gone when its last user is. */
export function unmount(native: NativeCalls, target: string): void {
  native.umount2(bytes(target), UMOUNT.DETACH | UMOUNT.NOFOLLOW)
}
