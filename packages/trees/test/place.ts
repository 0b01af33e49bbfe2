import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { type NativeCalls, openSys } from '@varve/sys'

export const isLinux: boolean = process.platform === 'linux'
export const isRoot: boolean = process.getuid?.() === 0

/** A new directory that is gone at the end of the scope. */
export function place(parent: string = tmpdir()): AsyncDisposable & { readonly path: string } {
  const path = mkdtempSync(join(parent, 'varve-vfs-'))
  return {
    path,
    // Not `fs.rm`: names that are not UTF-8 would stay.
    async [Symbol.asyncDispose]() {
      if (process.platform === 'win32') await rm(path, { recursive: true, force: true })
      else execFileSync('rm', ['-rf', path])
    },
  }
}

/** A new xfs, which shares blocks between files, mounted until the end of the scope. */
export function mountXfs(): AsyncDisposable & { readonly path: string } {
  const dir = place()
  const [image, path] = [join(dir.path, 'image'), join(dir.path, 'mnt')]
  execFileSync('truncate', ['-s', '512M', image])
  execFileSync('mkfs.xfs', ['-q', image])
  execFileSync('mkdir', [path])
  execFileSync('mount', ['-o', 'loop', image, path])
  return {
    path,
    async [Symbol.asyncDispose]() {
      execFileSync('umount', [path])
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** The system's own calls. */
export function nativeCalls(): NativeCalls {
  const { native } = openSys({ ffi: true })
  if (!native) throw new Error('openSys({ ffi: true }) must have native calls')
  return native
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/**
 * All that GNU tar and getfattr see in a tree, as two digests: names, types, content with holes,
 * hard links, owner, mode, devices and mtimes in ns; then extended attributes, in sorted order,
 * because file systems list them in any.
 */
export function digestOfTree(path: string): string {
  return execFileSync('sh', ['-c', `${TAR}; ${GETFATTR}`, 'sh', path], { encoding: 'utf8' })
}

const TAR =
  'tar -C "$1" --sort=name --format=posix -S --sparse-version=0.0 ' +
  '--pax-option=delete=atime,delete=ctime,exthdr.name=%d/P/%f -cf - . | sha256sum'
const GETFATTR =
  'cd "$1" && getfattr -R -h -d -m - -e hex . | ' +
  `awk '/^# file: /{f=$0;next} NF{print f,$0}' | sort | sha256sum`
