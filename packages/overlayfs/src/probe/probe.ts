import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DriverCapabilities } from '@varve/core'
import { AT, DT, type NativeCalls, O, S, type SysError } from '@varve/sys'
import { type Marks, marksOf } from '../marks.ts'
import { mounterOf } from '../mounting/mounter.ts'
import { unmount } from '../mounting/single-mount.ts'
import {
  MOUNT_METHODS,
  type Mounter,
  type MountMethod,
  type OverlaySettings,
  type Stack,
} from '../mounting/stack.ts'
import type { Features } from './features.ts'
import { type KernelDefaults, kernelDefaults } from './kernel-defaults.ts'
import { unsupported } from './unsupported.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/** How the kernel says no, to this user or on this file system. */
const NO: ReadonlySet<string> = new Set(['EPERM', 'EACCES', 'EINVAL', 'ENOTSUP'])

/**
 * Tries out what overlay can do here.
 *
 * @param directory an empty directory of one's own, on the file system of the layers
 * @param methods ways to mount that may be used
 * @param wanted the attributes that the layers there have; default: root's, if they can be set
 * @throws LayerError `ERR_NOT_SUPPORTED` if it cannot work, with the way out
 */
export function probe(
  native: NativeCalls,
  directory: string,
  methods: readonly MountMethod[] = MOUNT_METHODS,
  defaults: KernelDefaults = kernelDefaults(),
  wanted?: 'user' | 'trusted',
): Features {
  const userxattr = wanted === 'user' || !canMark(native, directory, marksOf(false))
  const marks = marksOf(userxattr)
  if (userxattr && !canMark(native, directory, marks)) {
    throw unsupported('its file system keeps no extended attributes')
  }
  if (!tellsTypes(native, directory)) {
    throw unsupported('its file system does not tell file types in directories (d_type)')
  }
  const settings: OverlaySettings = [
    ...(defaults.index === undefined ? [] : [['index', 'off'] as const]),
    ...(userxattr ? [['userxattr', true] as const] : []),
    // Not needed where they are off already, and in Docker's mounts neither.
    ...(defaults.redirectDir ? [['redirect_dir', 'off'] as const] : []),
    ...(defaults.metacopy ? [['metacopy', 'off'] as const] : []),
  ]
  const method = firstThatWorks(native, settings, directory, methods)
  // fuse-overlayfs knows none of the settings, and puts nothing on stable storage by itself.
  const volatile =
    method !== 'fuse' &&
    tries(() => {
      const more: OverlaySettings = [...settings, ['volatile', true]]
      tryMount(mounterOf(native, method, more, directory), native, directory, 'volatile')
    })
  return {
    method,
    settings: method === 'fuse' ? [] : settings,
    userxattr,
    nativeDiff: hasNativeDiff(native, method, settings, marks, directory),
    metacopy: defaults.metacopy ?? false,
    redirectDir: defaults.redirectDir ?? false,
    index: defaults.index !== undefined,
    volatile,
    keeps: probeKeeps(native, directory),
  }
}

function firstThatWorks(
  native: NativeCalls,
  settings: OverlaySettings,
  directory: string,
  methods: readonly MountMethod[],
): MountMethod {
  let cause: Error | undefined
  for (const method of methods) {
    try {
      tryMount(mounterOf(native, method, settings, directory), native, directory, method)
      return method
    } catch (error) {
      const { syscall } = error as SysError
      if (syscall === undefined) throw error
      // What the kernel says of its own overlay says more than that a program is not installed.
      cause ??= error as Error
    }
  }
  throw unsupported(`nothing mounts an overlay there: ${cause?.message}`, cause)
}

/** Mounts two layers and looks through them. */
function tryMount(mounter: Mounter, native: NativeCalls, directory: string, name: string): void {
  const bed = makeBed(directory, name, ['one', 'two', 'diff', 'work', 'merged'])
  writeFileSync(bed.at('two/seen'), '')
  mounter.mount(bed.stack(), bed.at('merged'), { readOnly: false })
  try {
    writeFileSync(bed.at('merged/made'), '')
    rmSync(bed.at('merged/seen'))
  } finally {
    unmount(native, bed.at('merged'))
  }
  using _view = mounter.view({ lowers: [bed.at('diff'), bed.at('one'), bed.at('two')] })
}

/**
 * Docker's test (moby `overlay2/check.go`): kernels before 4.13 copy the opaque mark up, so that the
 * upper directory says that what is beneath is gone; with `redirect_dir` it does not say what is in
 * a directory that was moved.
 */
function hasNativeDiff(
  native: NativeCalls,
  method: MountMethod,
  settings: OverlaySettings,
  marks: Marks,
  directory: string,
): boolean {
  const bed = makeBed(directory, 'native', ['one/d', 'one/d1', 'two/d', 'diff', 'work', 'merged'])
  setMark(native, bed.at('one/d'), marks.opaque)
  const mounter = mounterOf(native, method, settings, directory)
  mounter.mount(bed.stack(), bed.at('merged'), { readOnly: false })
  try {
    writeFileSync(bed.at('merged/d/f'), '')
    if (getMark(native, bed.at('diff/d'), marks.opaque)?.[0] === 'y'.charCodeAt(0)) return false
    try {
      renameSync(bed.at('merged/d1'), bed.at('merged/d2'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EXDEV') return true
      throw error
    }
    return getMark(native, bed.at('diff/d2'), marks.redirect) === undefined
  } finally {
    unmount(native, bed.at('merged'))
  }
}

function makeBed(directory: string, name: string, directories: readonly string[]) {
  const at = (path: string) => join(directory, name, path)
  for (const path of directories) mkdirSync(at(path), { recursive: true })
  const stack = (): Stack => ({
    lowers: [at('one'), at('two')],
    upper: { diff: at('diff'), work: at('work') },
  })
  return { at, stack }
}

function setMark(native: NativeCalls, path: string, mark: Uint8Array): void {
  native.setxattr(AT.FDCWD, bytes(path), mark, bytes('y'))
}

function getMark(native: NativeCalls, path: string, mark: Uint8Array): Uint8Array | undefined {
  return native.getxattr(AT.FDCWD, bytes(path), mark)
}

function canMark(native: NativeCalls, directory: string, marks: Marks): boolean {
  const path = join(directory, 'marked')
  mkdirSync(path, { recursive: true })
  return tries(() => setMark(native, path, marks.opaque))
}

function tellsTypes(native: NativeCalls, directory: string): boolean {
  const fd = native.openat(AT.FDCWD, bytes(directory), O.RDONLY | O.DIRECTORY)
  try {
    return native.readdir(fd).every(({ type }) => type !== DT.UNKNOWN)
  } finally {
    native.close(fd)
  }
}

/** `struct vfs_cap_data` of linux/capability.h, version 2, with none in it. */
const NO_CAPABILITY = new Uint8Array([0, 0, 0, 2, ...new Uint8Array(16)])

/** Tries what of a file's metadata survives. */
function probeKeeps(native: NativeCalls, directory: string): DriverCapabilities['keeps'] {
  const file = bytes(join(directory, 'kept'))
  writeFileSync(join(directory, 'kept'), '')
  return {
    owner: tries(() => native.fchownat(AT.FDCWD, file, 1, 1)),
    xattrs: tries(() => {
      native.setxattr(AT.FDCWD, file, bytes('user.varve'), bytes('probe'))
      native.setxattr(AT.FDCWD, file, bytes('security.capability'), NO_CAPABILITY)
    }),
    devices: tries(() => {
      native.mknodat(AT.FDCWD, bytes(join(directory, 'null')), S.IFCHR | 0o600, 1, 3)
    }),
  }
}

function tries(attempt: () => void): boolean {
  try {
    attempt()
    return true
  } catch (error) {
    if (NO.has((error as SysError).code)) return false
    throw error
  }
}
