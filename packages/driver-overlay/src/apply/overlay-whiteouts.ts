import { Buffer } from 'node:buffer'
import type { LayerApart, LayerTree, WhiteoutStrategy } from '@varve/archive'
import { isWhiteoutDevice, keptXattr, type Marks } from '@varve/overlayfs'
import { type NativeCalls, S } from '@varve/sys'
import { ITSELF } from '@varve/trees'
import type { LowerTree } from './lower-tree.ts'

const YES = Buffer.from('y')
/** Greatest owner; the next one means “leave it” to chown. */
const MAX_ID = 0xffff_fffe
const WAYS: ReadonlySet<number> = new Set([S.IFDIR, S.IFLNK])

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Whiteouts of one layer that is being applied straight into its `diff`, which is empty before. */
export function overlayWhiteouts(
  native: NativeCalls,
  marks: Marks,
  lower: LowerTree,
  keepOwner: boolean,
): WhiteoutStrategy {
  const layer = new OverlayLayer(native, marks, lower, keepOwner)
  return {
    hide: (tree, parent, name, entry) => {
      if (parent !== undefined) layer.hide(tree, parent, name, entry)
    },
    hideLower: (tree, directory) => {
      if (directory !== undefined) layer.hideAll(tree, directory)
    },
    xattrName: (name) => keptXattr(name, marks),
    allowsDeviceZero: false,
    apart: layer,
  }
}

/**
 * The same for a mount, in which the kernel does the work: what is removed becomes a whiteout, what
 * is changed is copied up.
 */
export function mountedWhiteouts(whiteouts: WhiteoutStrategy, marks: Marks): WhiteoutStrategy {
  return {
    ...whiteouts,
    // The kernel escapes them itself since Linux 6.7, and refuses them before.
    xattrName: (name) => (keptXattr(name, marks) === name ? name : undefined),
    allowsDeviceZero: false,
  }
}

/**
 * Everything in the layer is this tar's own, so that what a whiteout finds there stays, and hides
 * what is beneath by being there (a directory: by being opaque).
 */
class OverlayLayer implements LayerApart {
  readonly #native: NativeCalls
  readonly #marks: Marks
  readonly #lower: LowerTree
  readonly #keepOwner: boolean
  /** Directories through which nothing shows. */
  readonly #opaque = new Set<string>()

  constructor(native: NativeCalls, marks: Marks, lower: LowerTree, keepOwner: boolean) {
    this.#native = native
    this.#marks = marks
    this.#lower = lower
    this.#keepOwner = keepOwner
  }

  readonly isWhiteout: typeof isWhiteoutDevice = isWhiteoutDevice

  isMark(name: string): boolean {
    return this.#marks.isMark(name)
  }

  copyUp(tree: LayerTree, parent: string, name: string, what: 'way' | 'any'): boolean {
    if (this.#isHidden(parent)) return false
    const bytes = fromBinary(name)
    const stat = this.#lower.stat(parent, bytes)
    if (!stat || (what === 'way' && !WAYS.has(stat.mode & S.IFMT))) return false
    const { fd } = tree.root.open(parent)
    // A whiteout.
    if (this.#native.statIfAny(fd, bytes)) return false
    this.#lower.copy(parent, bytes, stat, fd)
    if ((stat.mode & S.IFMT) !== S.IFDIR) tree.holds(stat.size)
    return true
  }

  hide(tree: LayerTree, parent: string, name: string, { uid, gid }: Owner): void {
    const bytes = fromBinary(name)
    if (this.#isHidden(parent) || !this.#lower.stat(parent, bytes)) return
    const path = joined(parent, name)
    const stat = this.#native.statIfAny(tree.root.open(parent).fd, bytes)
    if (stat && tree.isOwn(path)) {
      if ((stat.mode & S.IFMT) === S.IFDIR) this.hideAll(tree, path)
      return
    }
    // What is there all the same was brought up from beneath, and is what shall be hidden.
    if (stat) tree.remove(parent, name)
    this.#makeWhiteout(tree.root.open(parent).fd, bytes, { uid, gid })
  }

  hideAll(tree: LayerTree, directory: string): void {
    if (this.#isHidden(directory) || !this.#lower.hasDirectory(directory)) return
    // What was brought up goes, and whiteouts, which older kernels show where they hide nothing.
    tree.removeLowerChildren(directory)
    // Overlay takes no notice of the mark on the root; see `finish`.
    if (directory === '') this.#opaque.add('')
    else this.#makeOpaque(tree, directory)
  }

  madeDirectory(tree: LayerTree, path: string): void {
    this.#opaque.delete(path)
    if (!this.#isHidden(parentOf(path)) && this.#lower.hasDirectory(path)) {
      this.#makeOpaque(tree, path)
    }
  }

  finish(tree: LayerTree): void {
    if (this.#opaque.has('')) this.#hideRoot(tree)
  }

  #hideRoot(tree: LayerTree): void {
    for (const name of this.#lower.rootNames()) {
      const { fd } = tree.root.open('')
      const stat = this.#native.statIfAny(fd, name)
      if (!stat) this.#makeWhiteout(fd, name, { uid: 0, gid: 0 })
      else if ((stat.mode & S.IFMT) === S.IFDIR) this.#makeOpaque(tree, toBinary(name))
    }
  }

  #makeWhiteout(dirfd: number, name: Uint8Array, { uid, gid }: Owner): void {
    this.#native.mknodat(dirfd, name, S.IFCHR, 0, 0)
    if (this.#keepOwner && isID(uid) && isID(gid)) this.#native.fchownat(dirfd, name, uid, gid)
  }

  #makeOpaque(tree: LayerTree, path: string): void {
    this.#native.setxattr(tree.root.open(path).fd, ITSELF, this.#marks.opaque, YES)
    this.#opaque.add(path)
  }

  /** Whether nothing of the layers beneath shows through a directory. */
  #isHidden(path: string): boolean {
    if (this.#opaque.size === 0) return false
    for (let up = path; ; up = parentOf(up)) {
      if (this.#opaque.has(up)) return true
      if (up === '') return false
    }
  }
}

function isID(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id <= MAX_ID
}

// Paths are binary strings, one character for each byte, as those of a LayerTree are.

function fromBinary(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

function toBinary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function joined(parent: string, name: string): string {
  return parent === '' ? name : `${parent}/${name}`
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}
