import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { NativeCalls, SysError } from '@varve/sys'
import { setReadOnly, unmount } from './single-mount.ts'
import type { Mounter, MountRequest, Stack } from './stack.ts'

const PROGRAM = 'fuse-overlayfs'

/**
 * Mounts with fuse-overlayfs, a process for each mount that ends when it is unmounted. For
 * user namespaces where the kernel's own overlay refuses.
 *
 * It splits its options at colons and commas. So it is started in a directory of short links, which
 * it resolves before it leaves it; the process here stays where it is.
 *
 * @param scratch a directory of this process
 */
export function byFuse(native: NativeCalls, scratch: string): Mounter {
  const mount = (stack: Stack, target: string, { readOnly, label }: MountRequest) => {
    const links = mkdtempSync(join(scratch, 'links-'))
    try {
      let made = 0
      const short = (path: string) => {
        const name = (made++).toString(36)
        symlinkSync(path, join(links, name))
        return name
      }
      const options = [`lowerdir=${stack.lowers.map(short).join(':')}`]
      if (stack.upper) {
        options.push(`upperdir=${short(stack.upper.diff)}`, `workdir=${short(stack.upper.work)}`)
      }
      if (label !== undefined) options.push(`context="${label}"`)
      start(options, target, links)
      // Told at once, it would be all mounts of the file system, for ever.
      if (readOnly) makeReadOnly(native, target)
    } finally {
      rmSync(links, { recursive: true })
    }
  }
  return {
    mount,
    view(stack) {
      const path = mkdtempSync(join(scratch, 'view-'))
      try {
        mount(stack, path, { readOnly: true })
      } catch (error) {
        rmdirSync(path)
        throw error
      }
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

/** Returns when it is mounted: the program goes into the background then. */
function start(options: readonly string[], target: string, cwd: string): void {
  const { error, status, stderr } = spawnSync(PROGRAM, ['-o', options.join(','), target], {
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (error) throw error
  if (status === 0) return
  const why = stderr.trim().split('\n').at(-1) || `it ended with ${status}`
  throw Object.assign(new Error(`${PROGRAM}: ${why}`), {
    code: 'EIO',
    errno: -5,
    syscall: PROGRAM,
    path: target,
  } satisfies Omit<SysError, 'name' | 'message'>)
}

function makeReadOnly(native: NativeCalls, target: string): void {
  try {
    setReadOnly(native, target, true)
  } catch (error) {
    unmount(native, target)
    throw error
  }
}
