import { Buffer } from 'node:buffer'
import { openRoot } from '@varve/archive'
import { DT, type NativeCalls, S, type Sys } from '@varve/sys'
import { ITSELF } from '@varve/trees'
import { FUSE_XATTRS, type Marks } from './marks.ts'

const FUSE_OPAQUE = `${FUSE_XATTRS}opaque`
/** Empty files by which it hides names, and all that is beneath a directory. */
const WHITEOUT = '.wh.'
const OPAQUE = '.wh..wh..opq'
const YES = Buffer.from('y')

/**
 * Turns what fuse-overlayfs wrote into an upper directory into what the kernel would have written:
 * its files `.wh.…` into devices 0:0 and marks, its attributes into the kernel's, or nothing. The new
 * is made before the old goes, so that it can be done again if it was interrupted.
 *
 * @param path the upper directory, which is not mounted
 */
export function toKernelForms(sys: Sys, native: NativeCalls, path: string, marks: Marks): void {
  using root = openRoot(path, { sys })
  const pending = ['']
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const { fd } = root.open(at)
    const { atimeNs, mtimeNs } = native.fstat(fd)
    let changed = translateXattrs(native, fd, ITSELF, marks)
    for (const { name, type } of root.list(at)) {
      const text = Buffer.from(name).toString('latin1')
      if (text.startsWith(WHITEOUT)) {
        if (text === OPAQUE) native.setxattr(fd, ITSELF, marks.opaque, YES)
        // It takes its own mark for a whiteout at times, and hides what is nowhere, by a device.
        else if (type !== DT.CHR) makeWhiteout(native, fd, name.subarray(WHITEOUT.length))
        native.unlinkat(fd, name)
        changed = true
      } else if (type === DT.DIR) {
        pending.push(at === '' ? text : `${at}/${text}`)
      } else if (type === DT.REG) {
        translateXattrs(native, fd, name, marks)
      }
    }
    if (changed) native.utimensat(fd, ITSELF, atimeNs, mtimeNs)
  }
}

function makeWhiteout(native: NativeCalls, fd: number, name: Uint8Array): void {
  if (!native.statIfAny(fd, name)) native.mknodat(fd, name, S.IFCHR, 0, 0)
}

function translateXattrs(native: NativeCalls, fd: number, name: Uint8Array, marks: Marks): boolean {
  let changed = false
  for (const attribute of native.listxattr(fd, name)) {
    const text = Buffer.from(attribute).toString('latin1')
    if (!text.startsWith(FUSE_XATTRS)) continue
    if (text === FUSE_OPAQUE) native.setxattr(fd, name, marks.opaque, YES)
    native.removexattr(fd, name, attribute)
    changed = true
  }
  return changed
}
