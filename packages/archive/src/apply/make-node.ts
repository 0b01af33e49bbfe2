import { S } from '@varve/sys'
import type { TarEntry } from '@varve/tar'
import { fromBinary, joined } from '../safe-root/binary.ts'
import { codeOf } from '../safe-root/calls.ts'
import { type ApplyContext, makeAnew, parentDirectory } from './context.ts'
import { invalid, unsafe } from './entry-name.ts'
import { removeOtherXattrs, setMetadata, timesOf } from './metadata.ts'

const MAX_DEVICE = 0xffff_ffff
/** What those say who may not make a device: the kernel, and `node:fs`, which cannot. */
const NO_DEVICES: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOSYS'])

/** A directory's metadata on the root itself (rule 1). */
export function applyRoot(context: ApplyContext, entry: TarEntry, name: string): void {
  // CVE-2021-29136: a symbolic link in the root's place.
  if (entry.type !== 'directory') throw unsafe(name, `the root cannot be a ${entry.type}`)
  const { fd } = context.root.open('')
  removeOtherXattrs(context, entry, fd, new Uint8Array(0))
  adoptDirectory(context, entry, '', fd, '')
}

/** Makes a directory, or merges with the one that is there (rule 19). */
export function makeDirectory(
  context: ApplyContext,
  entry: TarEntry,
  path: string,
  base: string,
): void {
  const { root, calls, tree } = context
  const parent = parentDirectory(context, path).path
  const name = fromBinary(base)
  // Whatever the entry says, we must be able to fill it.
  const mode = (entry.mode & 0o777) | 0o700
  const made = calls.mkdirIfNone(root.open(parent).fd, name, mode)
  // In a layer apart it is merged with the one beneath, if there is one.
  let fresh = made && context.whiteouts.apart === undefined
  if (!made) {
    const stat = calls.statIfAny(root.open(parent).fd, name)
    if (stat && (stat.mode & S.IFMT) === S.IFDIR) {
      removeOtherXattrs(context, entry, root.open(parent).fd, name)
    } else {
      tree.remove(parent, base)
      calls.mkdirIfNone(root.open(parent).fd, name, mode)
      context.whiteouts.apart?.madeDirectory(tree, joined(parent, base))
      fresh = true
    }
  }
  const own = joined(parent, base)
  tree.wrote(own, fresh)
  adoptDirectory(context, entry, own, root.open(parent).fd, base)
}

function adoptDirectory(
  context: ApplyContext,
  entry: TarEntry,
  path: string,
  dirfd: number,
  base: string,
): void {
  const { root, calls } = context
  setMetadata(context, entry, dirfd, base)
  const modeLater = (entry.mode & 0o700) !== 0o700 && context.user[0] !== 0
  if (modeLater) calls.fchmodat(dirfd, fromBinary(base), (entry.mode & 0o7777) | 0o700)
  root.loosened.delete(path)
  root.open(path).setgid = undefined
  context.directories.note(path, entry, modeLater)
}

/** Makes a symbolic link, its target as it is given (rule 26). */
export function makeSymlink(
  context: ApplyContext,
  entry: TarEntry,
  path: string,
  base: string,
  name: string,
): void {
  if (entry.linkname.length === 0) throw invalid(name, 'it links to nothing')
  const parent = parentDirectory(context, path).path
  makeAnew(context, parent, base, (dirfd, bytes) => {
    context.calls.symlinkat(entry.linkname, dirfd, bytes)
  })
  context.tree.holds(entry.linkname.length)
  finishNode(context, entry, parent, base)
}

/** Makes a device or FIFO, or nothing where that is not allowed (rule 27). */
export function makeDevice(
  context: ApplyContext,
  entry: TarEntry,
  path: string,
  base: string,
  name: string,
): void {
  const { type, devmajor, devminor } = entry
  const isFifo = type === 'fifo'
  if (!isFifo && !(isDeviceNumber(devmajor) && isDeviceNumber(devminor))) {
    throw invalid(name, `device number ${devmajor}:${devminor} is out of range`)
  }
  const isZero = type === 'char' && devmajor === 0 && devminor === 0
  if (isZero && !context.whiteouts.allowsDeviceZero) {
    throw unsafe(name, 'the device 0:0 hides files here')
  }
  const kind = isFifo ? S.IFIFO : type === 'char' ? S.IFCHR : S.IFBLK
  const mode = kind | (entry.mode & 0o777)
  const parent = parentDirectory(context, path).path
  try {
    makeAnew(context, parent, base, (dirfd, bytes) => {
      context.calls.mknodat(dirfd, bytes, mode, isFifo ? 0 : devmajor, isFifo ? 0 : devminor)
    })
  } catch (error) {
    if (!NO_DEVICES.has(codeOf(error))) throw error
    omitDevice(context, parent, base)
    return
  }
  finishNode(context, entry, parent, base)
}

/** Instead of a device that may not be made there is nothing, not what was there before. */
export function omitDevice(context: ApplyContext, parent: string, base: string): void {
  const { root, calls, tree } = context
  if (calls.statIfAny(root.open(parent).fd, fromBinary(base))) tree.remove(parent, base)
  context.missingDevices.add(joined(parent, base))
  context.omitted.devices++
}

/** Metadata of something that is never opened: by its name, not followed. */
function finishNode(context: ApplyContext, entry: TarEntry, parent: string, base: string): void {
  const { fd } = context.root.open(parent)
  setMetadata(context, entry, fd, base)
  const [atimeNs, mtimeNs] = timesOf(entry)
  context.calls.utimensat(fd, fromBinary(base), atimeNs, mtimeNs)
  context.tree.wrote(joined(parent, base), true)
}

function isDeviceNumber(number: number): boolean {
  return Number.isInteger(number) && number >= 0 && number <= MAX_DEVICE
}
