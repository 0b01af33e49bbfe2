import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

/** Only root may mount, and not every kernel has EROFS. */
export const canMount: boolean =
  process.platform === 'linux' &&
  process.getuid?.() === 0 &&
  spawnSync('sh', ['-c', 'modprobe -q erofs; grep -qw erofs /proc/filesystems']).status === 0

/** In memory if it can be: `/tmp` may be an overlay, which carries none. */
export const PARENT: string = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** A new directory that is gone at the end of the scope, with all that is mounted in it. */
export function place(parent: string = PARENT): AsyncDisposable & { readonly path: string } {
  const path = mkdtempSync(join(parent, 'varve-erofs-'))
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

/** Whatever is mounted beneath a path. */
export function mountsIn(path: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.map((line) => line.split(' ')[4] ?? '').filter((at) => at.startsWith(`${path}/`))
}
