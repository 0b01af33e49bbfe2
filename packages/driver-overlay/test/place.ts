import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { MOUNT_METHODS, type MountMethod } from '@varve/driver-overlay'
import { type NativeCalls, openSys } from '@varve/sys'

/** Only root may mount, and only Linux has overlay. */
export const canMount: boolean = process.platform === 'linux' && process.getuid?.() === 0

/** What fuse-overlayfs needs. */
export const canFuse: boolean =
  canMount &&
  existsSync('/dev/fuse') &&
  ['/usr/bin', '/bin', '/usr/local/bin'].some((at) => existsSync(join(at, 'fuse-overlayfs')))

/** Ways to mount that can be tested here. */
export const methods: readonly MountMethod[] = MOUNT_METHODS.filter(
  (method) => method !== 'fuse' || canFuse,
)

/** In memory if it can be: `/tmp` may be an overlay, which carries none. */
const PARENT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A new directory that is gone at the end of the scope, with all that is mounted in it. */
export function place(parent: string = PARENT): AsyncDisposable & { readonly path: string } {
  const path = mkdtempSync(join(parent, 'varve-overlay-'))
  return {
    path,
    async [Symbol.asyncDispose]() {
      execFileSync('sh', ['-c', CLEAR, 'sh', path])
    },
  }
}

// Not `fs.rm`: names that are not UTF-8 would stay.
const CLEAR =
  'grep -o " $1/[^ ]*" /proc/self/mountinfo | sort -r | xargs -r -n1 umount -l; rm -rf "$1"'

/**
 * For a shell in a mount namespace of its own: lets go of what other tests have mounted. With the
 * namespace it would stay, and its loop devices and FUSE servers with it.
 */
export const LET_GO =
  `awk '$5 ~ "/(varve|overlayfs)-[^/]*/" { print $5 }' /proc/self/mountinfo | sort -r | ` +
  'xargs -r -n1 umount -l 2>/dev/null || true'

/** The system's own calls. */
export function nativeCalls(): NativeCalls {
  const { native } = openSys({ ffi: true })
  if (!native) throw new Error('openSys({ ffi: true }) must have native calls')
  return native
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Whatever is mounted beneath a path. */
export function mountsIn(path: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.map((line) => line.split(' ')[4] ?? '').filter((at) => at.startsWith(`${path}/`))
}
