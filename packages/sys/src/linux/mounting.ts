import { AT } from '../constants.ts'
import type { FsSetting, MountCalls } from '../mount-calls.ts'
import type { Context } from './context.ts'

// linux/mount.h
const FSOPEN_CLOEXEC = 1
const FSMOUNT_CLOEXEC = 1
const FSCONFIG = { SET_FLAG: 0, SET_STRING: 1, SET_FD: 5, CMD_CREATE: 6 } as const
const MOVE_MOUNT_F_EMPTY_PATH = 4
/** One of the kernel's messages is not longer (fs/fsopen.c takes them from a log of lines). */
const MESSAGE_BYTES = 4096

const encoder = new TextEncoder()
const NONE = new Uint8Array(1)

/** Calls that mount and unmount; see `mount-calls.ts`. */
export function mountCalls(context: Context): MountCalls {
  const { libc, path: at, path2: at2 } = context
  const text = (value: string) => encoder.encode(`${value}\0`)
  const configure = (
    fsfd: number,
    command: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    aux: number,
  ) => {
    if (libc.fsconfig(fsfd, command, key, value, aux) < 0)
      throw context.error('fsconfig', bare(key))
  }
  const result = (fd: number, syscall: string, path?: Uint8Array): number => {
    if (fd < 0) throw context.error(syscall, path)
    return fd
  }
  return {
    mount(source, target, type, flags, data) {
      const [from, to] = [at2(source, 'mount'), at(target, 'mount')]
      const options = data === undefined ? NONE : text(data)
      if (libc.mount(from, to, text(type), flags, options) < 0) {
        throw context.error('mount', source, target)
      }
    },
    umount2(target, flags) {
      if (libc.umount2(at(target, 'umount2'), flags) < 0) throw context.error('umount2', target)
    },
    fsopen: (type) =>
      result(libc.fsopen(text(type), FSOPEN_CLOEXEC), 'fsopen', encoder.encode(type)),
    fsconfig(fsfd, key, value: FsSetting) {
      const name = text(key)
      if (value === true) configure(fsfd, FSCONFIG.SET_FLAG, name, null, 0)
      else if (typeof value === 'number') configure(fsfd, FSCONFIG.SET_FD, name, null, value)
      else configure(fsfd, FSCONFIG.SET_STRING, name, text(value), 0)
    },
    fscreate: (fsfd) => configure(fsfd, FSCONFIG.CMD_CREATE, null, null, 0),
    fsmessages(fsfd) {
      const lines: string[] = []
      const buffer = new Uint8Array(MESSAGE_BYTES)
      for (;;) {
        // One message each time, `ENODATA` after the last.
        const length = libc.read(fsfd, buffer, buffer.length)
        if (length <= 0) return lines.join('\n')
        lines.push(new TextDecoder().decode(buffer.subarray(0, length)).trim())
      }
    },
    fsmount: (fsfd, attributes) =>
      result(libc.fsmount(fsfd, FSMOUNT_CLOEXEC, attributes), 'fsmount'),
    moveMount(mountfd, target) {
      const to = at(target, 'move_mount')
      if (libc.moveMount(mountfd, NONE, AT.FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        throw context.error('move_mount', target)
      }
    },
    mountSetattr(target, set, clear) {
      // struct mount_attr of linux/mount.h: what is set, cleared, how it propagates, whose ids
      const how = BigUint64Array.of(BigInt(set), BigInt(clear), 0n, 0n)
      const flags = AT.SYMLINK_NOFOLLOW
      if (libc.mountSetattr(AT.FDCWD, at(target, 'mount_setattr'), flags, how) < 0) {
        throw context.error('mount_setattr', target)
      }
    },
  }
}

/** A key without its NUL, for errors. */
function bare(key: Uint8Array | null): Uint8Array | undefined {
  return key?.subarray(0, -1)
}
