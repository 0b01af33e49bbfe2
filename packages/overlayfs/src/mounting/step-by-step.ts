import { AT, MOUNT_ATTR, type NativeCalls, O, type SysError } from '@varve/sys'
import type { Mounter, MountRequest, OverlaySettings, Stack } from './stack.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/**
 * Mounts with the new mount calls. Each lower directory is added by a call of its own, so that
 * neither their number nor the length of the root's path is limited by the size of a page.
 *
 * @param byPath names directories by path; the kernel takes no more than 255 bytes of one, but the
 *   path of a descriptor in `/proc` is always short
 */
export function stepByStep(
  native: NativeCalls,
  settings: OverlaySettings,
  byPath: boolean,
): Mounter {
  const withDirectory = (path: string, use: (fd: number) => void) => {
    const fd = native.openat(AT.FDCWD, bytes(path), O.RDONLY | O.DIRECTORY)
    try {
      use(fd)
    } finally {
      native.close(fd)
    }
  }
  const add = (fsfd: number, key: string, path: string) =>
    withDirectory(path, (fd) => {
      native.fsconfig(fsfd, key, byPath ? `/proc/self/fd/${fd}` : fd)
    })
  const make = (stack: Stack, { readOnly, label, volatile }: MountRequest): number => {
    const fsfd = native.fsopen('overlay')
    try {
      native.fsconfig(fsfd, 'source', 'overlay')
      for (const [key, value] of settings) native.fsconfig(fsfd, key, value)
      if (label !== undefined) native.fsconfig(fsfd, 'context', label)
      for (const path of stack.lowers) add(fsfd, 'lowerdir+', path)
      if (stack.upper) {
        if (volatile) native.fsconfig(fsfd, 'volatile', true)
        add(fsfd, 'upperdir', stack.upper.diff)
        add(fsfd, 'workdir', stack.upper.work)
      }
      native.fscreate(fsfd)
      return native.fsmount(fsfd, readOnly ? MOUNT_ATTR.RDONLY : 0)
    } catch (error) {
      throw withReason(error as SysError, native.fsmessages(fsfd))
    } finally {
      native.close(fsfd)
    }
  }
  return {
    mount(stack, target, request) {
      const mountfd = make(stack, request)
      try {
        native.moveMount(mountfd, bytes(target))
      } finally {
        native.close(mountfd)
      }
    },
    view(stack) {
      const mountfd = make(stack, { readOnly: true })
      return {
        path: `/proc/self/fd/${mountfd}`,
        [Symbol.dispose]: () => native.close(mountfd),
      }
    },
  }
}

function withReason(error: SysError, reason: string): SysError {
  if (reason !== '') error.message += ` (${reason.replaceAll('\n', '; ')})`
  return error
}
