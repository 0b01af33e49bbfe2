import { mkdtempSync, rmdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { AT, type NativeCalls, O } from '@varve/sys'
import { setReadOnly, unmount } from './single-mount.ts'
import type { Mounter, MountRequest, OverlaySettings, Stack } from './stack.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/**
 * Mounts with mount(2), whose options must fit a page. Docker makes them short by going to its root
 * first; in this process others would go with it. So each directory gets a symbolic link of one or
 * two characters, and is named as `/proc/self/fd/7/a`: 180 of them fit, whatever the root is.
 *
 * @param scratch a directory of this process
 */
export function allAtOnce(
  native: NativeCalls,
  settings: OverlaySettings,
  scratch: string,
): Mounter {
  const mount = (stack: Stack, target: string, { readOnly, label, volatile }: MountRequest) => {
    const links = mkdtempSync(join(scratch, 'links-'))
    const fd = native.openat(AT.FDCWD, bytes(links), O.PATH | O.DIRECTORY)
    try {
      let made = 0
      const short = (path: string) => {
        const name = (made++).toString(36)
        symlinkSync(path, join(links, name))
        return `/proc/self/fd/${fd}/${name}`
      }
      const options = [
        ...settings.map(([key, value]) => (value === true ? key : `${key}=${value}`)),
        `lowerdir=${stack.lowers.map(short).join(':')}`,
      ]
      if (stack.upper) {
        if (volatile) options.push('volatile')
        options.push(`upperdir=${short(stack.upper.diff)}`, `workdir=${short(stack.upper.work)}`)
      }
      if (label !== undefined) options.push(`context="${label}"`)
      native.mount(bytes('overlay'), bytes(target), 'overlay', 0, options.join(','))
      if (readOnly) forbidWriting(native, target)
    } finally {
      native.close(fd)
      rmSync(links, { recursive: true })
    }
  }
  return {
    mount,
    view(stack) {
      const path = mkdtempSync(join(scratch, 'view-'))
      mount(stack, path, { readOnly: true })
      return {
        path,
        [Symbol.dispose]() {
          unmount(native, path)
          rmdirSync(path)
        },
      }
    },
  }
}

/** This mount only: told at once, it would be all mounts of the file system, for ever. */
function forbidWriting(native: NativeCalls, target: string): void {
  try {
    setReadOnly(native, target, true)
  } catch (error) {
    unmount(native, target)
    throw error
  }
}
