import type { AppliedDiff, CallOptions } from '@varve/core'
import type { Sys } from '@varve/sys'
import type { Resolver } from '../safe-root/safe-root.ts'
import type { WhiteoutStrategy } from './whiteouts.ts'

/** Bounds on what a layer may ask for; beyond them it is refused with `ERR_LIMIT_EXCEEDED`. */
export interface ApplyLimits {
  /** Entries of the tar. Default 4,194,304; each takes some 200 bytes of memory. */
  readonly entries?: number
  /** Bytes of a name or link target. Default 4,095, as in Linux. */
  readonly pathLength?: number
  /** Symbolic links on the way to one file. Default 40, as in Linux. */
  readonly links?: number
  /** Bytes of all extended attributes of one entry. Default 1 MiB. */
  readonly xattrBytes?: number
  /** Payload bytes in all. Default 16 TiB. */
  readonly payloadBytes?: number
}

/** What {@link ApplyLimits} are where nothing is said. */
export const DEFAULT_LIMITS: Required<ApplyLimits> = {
  entries: 2 ** 22,
  pathLength: 4095,
  links: 40,
  xattrBytes: 2 ** 20,
  payloadBytes: 2 ** 44,
}

/** How {@link applyLayer} works. */
export interface ApplyOptions extends CallOptions {
  /** The system, if it is open already; opened otherwise. */
  readonly sys?: Sys
  /** How directories are found. Default: the safest that works here. */
  readonly resolver?: Resolver
  /**
   * An existing directory, nobody else's, where payloads that the finished layer does not hold are
   * kept: moved there if it is on the file system of the root, else copied. Without it they are lost.
   */
  readonly asideDir?: string
  /**
   * Whether files get the owner that the tar says. Default: if this process is root. What is not
   * kept is counted in {@link AppliedLayer.omitted}.
   */
  readonly keepOwner?: boolean
  /** Maps an owner of the tar to one of this system; undefined if there is none for it. */
  readonly mapOwner?: (uid: number, gid: number) => readonly [uid: number, gid: number] | undefined
  /** What to do about whiteouts. Default {@link directoryWhiteouts}. */
  readonly whiteouts?: WhiteoutStrategy
  /**
   * Leave out entries whose names or link targets hold `:` or `\`, which have a meaning on Windows.
   * Default: on Windows.
   */
  readonly portableNames?: boolean
  readonly limits?: ApplyLimits
}

/** How often something of an entry was left out because this user or file system cannot keep it. */
export interface Omitted {
  /** Entries whose owner is now that of this process. */
  owners: number
  /** Devices, FIFOs and links to them that were not made. */
  devices: number
  xattrs: number
  /** Entries left out for their names (see `portableNames`). */
  names: number
}

/** What {@link applyLayer} did. Disposing of it removes the payloads that were kept aside. */
export interface AppliedLayer extends AppliedDiff {
  /** Entries of the tar, whiteouts and global headers included. */
  readonly entries: number
  readonly omitted: Readonly<Omitted>
  /**
   * Bytes in the files that were made and in the targets of symbolic links, a file of several names
   * once; undefined if something gave way meanwhile, so that only the tree can tell.
   */
  readonly written: number | undefined
}
