import type { FileStat } from '@varve/sys'
import type { TarEntry } from '@varve/tar'
import type { LayerTree } from './layer-tree.ts'

/** Every name that means something else than itself begins so (OCI image spec, “Whiteouts”). */
export const WHITEOUT_PREFIX = '.wh.'
/** Hides all that lower layers have in its directory (OCI image spec, “Opaque Whiteout”). */
export const OPAQUE_NAME = '.wh..wh..opq'
/** AUFS's own files, which are no part of a layer. */
export const AUFS_PREFIX = '.wh..wh.'
/** Where AUFS kept files with several names; layers of its time link to there. */
export const AUFS_LINKS = '.wh..wh.plnk'

/**
 * What a driver does about whiteouts: a directory driver removes what they hide, an overlay driver
 * writes them down. Paths are binary strings without symbolic links.
 */
export interface WhiteoutStrategy {
  /** `.wh.NAME` in a directory; `parent` is undefined if there is no such directory yet. */
  hide(tree: LayerTree, parent: string | undefined, name: string, entry: TarEntry): void
  /** `.wh..wh..opq` in a directory. */
  hideLower(tree: LayerTree, directory: string | undefined, entry: TarEntry): void
  /** The name under which an extended attribute is kept; undefined to leave it out. */
  xattrName(name: string): string | undefined
  /** Whether the device 0:0 may be made: on overlay it is a whiteout. */
  readonly allowsDeviceZero: boolean
  /** What there is more to do for a layer that is kept apart from those beneath it. */
  readonly apart?: LayerApart
}

/**
 * The tree of a layer that is kept apart holds only what the layer has of its own, and marks for
 * what it hides. What an entry takes for granted beneath it (parents, the targets of hard links)
 * must be brought up first, so that the two together are what one whole tree would be.
 */
export interface LayerApart {
  /** Whether this stands for nothing: for a name that is hidden. */
  isWhiteout(stat: FileStat): boolean
  /**
   * Makes what the layers beneath have at a name, unless the layer hides it; only called where the
   * layer itself has nothing.
   *
   * @param what `way`: only what may lead to a directory, itself or a link to one
   * @returns whether there is something now
   */
  copyUp(tree: LayerTree, parent: string, name: string, what: 'way' | 'any'): boolean
  /** A new directory took the place of something else: nothing from beneath may show through it. */
  madeDirectory(tree: LayerTree, path: string): void
  /** Whether an extended attribute is a mark of the layer, not an attribute of the file. */
  isMark(name: string): boolean
  /** After the last entry, while directories can still be changed. */
  finish(tree: LayerTree): void
}

/**
 * Whiteouts for drivers whose layer is a copy of the one below: what a whiteout hides is removed.
 * Only what comes from below, wherever in the tar the whiteout stands (OCI image spec, “Whiteouts”:
 * they apply to lower layers only); Docker and containerd also remove what the same layer wrote
 * before.
 */
export const directoryWhiteouts: WhiteoutStrategy = {
  hide(tree, parent, name) {
    if (parent !== undefined) tree.removeLower(parent, name)
  },
  hideLower(tree, directory) {
    if (directory !== undefined) tree.removeLowerChildren(directory)
  },
  xattrName: (name) => name,
  allowsDeviceZero: true,
}
