import { resolve } from 'node:path'
import { type Driver, type DriverCapabilities, wrapError } from '@varve/core'
import { openSys, type Sys } from '@varve/sys'
import {
  asidesIn,
  fileSystemOf,
  openAside,
  openTrees,
  readOnlyDriver,
  type Trees,
} from '@varve/trees'
import { type Home, homeAt, openHome } from './home.ts'
import { LayerMounts } from './layers/layer-mounts.ts'
import type { Parts } from './parts.ts'
import { probeKeeps } from './probe.ts'
import { VfsDriver } from './vfs-driver.ts'

/** How {@link vfs} opens. */
export interface VfsOptions {
  /** The driver's home, as Docker's `<data root>/vfs`; made if it is missing. */
  readonly root: string
  /** Read layers that somebody else keeps; nothing is made, tried out or changed. Default false. */
  readonly readOnly?: boolean
  /** The system, if it is open already. */
  readonly sys?: Sys
}

/**
 * A driver that keeps every layer as a complete directory tree: a copy of the layer beneath, with
 * its own changes on top. It works everywhere, for everybody, and costs the more disk and time the
 * fewer blocks the file system can share (reflink: xfs, btrfs).
 *
 * The layout is that of Docker's vfs driver, which can read what this one writes and the other way
 * round. What of owner, extended attributes and devices is kept depends on the user and the file
 * system: it is tried out, and `capabilities.keeps` says what came of it.
 *
 * @throws LayerError `ERR_PERMISSION`, `ERR_NO_SPACE` or `ERR_IO` if the home cannot be used
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { emptyTar, newCacheID } from '@varve/core'
 * import { vfs } from '@varve/driver-vfs'
 *
 * const root = await mkdtemp(join(tmpdir(), 'vfs-'))
 * await using driver = await vfs({ root })
 * const id = newCacheID()
 * await driver.create(id)
 * await using applied = await driver.applyDiff(id, undefined, [emptyTar()])
 * await using mount = await driver.mount(id)
 * console.assert(applied.size === 0 && mount.path === join(root, 'dir', id))
 * ```
 */
export async function vfs(options: VfsOptions): Promise<Driver> {
  const sys = options.sys ?? openSys()
  const root = resolve(options.root)
  try {
    if (options.readOnly) {
      const parts = partsOf(homeAt(root), sys, openTrees(sys, true), KEEPS_ALL, true)
      return readOnlyDriver(new VfsDriver(parts), root, {
        status: async () => ({ 'Backing Filesystem': await fileSystemOf(root) }),
      })
    }
    const home = await openHome(root, sys)
    const keeps = await keepsIn(home.aside, sys)
    return new VfsDriver(partsOf(home, sys, openTrees(sys, keeps.owner), keeps, false))
  } catch (error) {
    throw wrapError(error, `Cannot open the vfs driver in ${root}`)
  }
}

function partsOf(
  home: Home,
  sys: Sys,
  trees: Trees,
  keeps: DriverCapabilities['keeps'],
  isForeign: boolean,
): Parts {
  const mounts = new LayerMounts(home, sys)
  const asides = asidesIn(home.aside, sys, (path) => trees.remove(path))
  return { home, sys, trees, mounts, asides, keeps, isForeign }
}

/** What was kept by a daemon, which is root. */
const KEEPS_ALL = { owner: true, xattrs: true, devices: true } as const
const KEEPS_NOTHING = { owner: false, xattrs: false, devices: false } as const

/** On a file system that is read-only nothing new is kept, and layers can still be read. */
async function keepsIn(aside: string, sys: Sys): Promise<DriverCapabilities['keeps']> {
  try {
    await using place = await openAside(aside, sys, (path) => openTrees(sys, false).remove(path))
    return probeKeeps(sys, place.path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EROFS') throw error
    return KEEPS_NOTHING
  }
}
