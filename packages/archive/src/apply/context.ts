import { O } from '@varve/sys'
import { fromBinary, joined, parentOf } from '../safe-root/binary.ts'
import { codeOf } from '../safe-root/calls.ts'
import type { Directory, MakeMissing, SafeRoot } from '../safe-root/safe-root.ts'
import type { Aside } from './aside.ts'
import type { Directories } from './directories.ts'
import type { LayerTree } from './layer-tree.ts'
import type { MetadataRules } from './metadata.ts'
import type { ApplyLimits } from './options.ts'

/** What the parts of one apply share. */
export interface ApplyContext extends MetadataRules {
  readonly root: SafeRoot
  readonly tree: LayerTree
  readonly directories: Directories
  readonly aside: Aside | undefined
  readonly limits: Required<ApplyLimits>
  readonly portableNames: boolean
  /** Paths of devices that could not be made; links to them are left out too. */
  readonly missingDevices: Set<string>
}

const NEW_FILE = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW
const S_ISGID = 0o2000

/**
 * The directory that an entry belongs in. Missing ones are as they are beneath the layer, if they are
 * there; else they are made, by root and for all (rule 4).
 */
export function parentDirectory(context: ApplyContext, path: string): Directory {
  const { apart } = context.whiteouts
  const found = context.root.directory(parentOf(path), (parent, name) => {
    if (!apart?.copyUp(context.tree, parent.path, name, 'any'))
      makeParent(context, parent.path, name)
    return true
  })
  // With a maker, only the root's own absence could lead here.
  return found ?? context.root.open('')
}

/** Brings up what is missing on the way to a directory, if it is beneath a layer that is apart. */
export function bringUp({ whiteouts, tree }: ApplyContext): MakeMissing | undefined {
  const { apart } = whiteouts
  return apart && ((parent, name) => apart.copyUp(tree, parent.path, name, 'way'))
}

function makeParent(context: ApplyContext, parent: string, name: string): void {
  const { root, calls, tree } = context
  const bytes = fromBinary(name)
  const path = joined(parent, name)
  const fresh = calls.mkdirIfNone(root.open(parent).fd, bytes, 0o755)
  if (!fresh && context.whiteouts.apart) {
    // The name was missing because a whiteout is there.
    tree.remove(parent, name)
    calls.mkdirIfNone(root.open(parent).fd, bytes, 0o755)
    context.whiteouts.apart.madeDirectory(tree, path)
  }
  const { fd } = root.open(parent)
  if (context.keepOwner) {
    const [uid, gid] = context.mapOwner?.(0, 0) ?? [0, 0]
    calls.fchownat(fd, bytes, uid, gid)
  }
  calls.fchmodat(fd, bytes, 0o755)
  tree.wrote(path, true)
}

/** Makes something at a name; whatever is there already gives way, unfollowed (rules 19 to 21). */
export function makeAnew(
  { root, tree }: ApplyContext,
  directory: string,
  base: string,
  make: (dirfd: number, name: Uint8Array) => void,
): void {
  const name = fromBinary(base)
  try {
    make(root.open(directory).fd, name)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    tree.remove(directory, base)
    make(root.open(directory).fd, name)
  }
}

/** Makes a new, empty file: never one that other names share (rule 21). */
export function createFile(
  context: ApplyContext,
  directory: string,
  base: string,
  mode: number,
): { readonly fd: number; readonly inheritsGroup: boolean } {
  let fd = -1
  makeAnew(context, directory, base, (dirfd, name) => {
    fd = context.calls.openat(dirfd, name, NEW_FILE, mode & 0o777)
  })
  const parent = context.root.open(directory)
  parent.setgid ??= (context.calls.fstat(parent.fd).mode & S_ISGID) !== 0
  return { fd, inheritsGroup: parent.setgid }
}
