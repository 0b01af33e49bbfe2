import { resolve } from 'node:path'
import { type Driver, wrapError } from '@varve/core'
import {
  cachedFeatures,
  type Features,
  type MountMethod,
  MountPoints,
  marksOf,
  mounterOf,
  probe,
  requireFileSystem,
  requireSystem,
  scratchIn,
} from '@varve/overlayfs'
import { type NativeCalls, openSys, type Sys } from '@varve/sys'
import { openTrees } from '@varve/trees'
import { homeAt, openHome } from './home.ts'
import { homeMarks, settleMarks } from './home-marks.ts'
import { sweepMounts } from './layers/cleanup.ts'
import { ProjectQuota } from './options/project-quota.ts'
import { OverlayDriver } from './overlay-driver.ts'
import type { Parts } from './parts.ts'
import { memoryPlace, readOnlyOverlay } from './read-only.ts'

/** How {@link overlay} opens. */
export interface OverlayOptions {
  /** The driver's home, as Docker's `<data root>/overlay2`; made if it is missing. */
  readonly root: string
  /**
   * Read layers that somebody else keeps, Docker's for example; nothing there is made, tried out or
   * changed, and mounts are for this process and its children only. Default false.
   */
  readonly readOnly?: boolean
  /** The system, if it is open already. */
  readonly sys?: Sys
  /**
   * The one way to mount that may be used; it is then tried out anew. Default: the best that works.
   */
  readonly mountMethod?: MountMethod
  /** Whether changes are found by reading the upper directory. Default: if that is right here. */
  readonly nativeDiff?: boolean
}

/**
 * A driver that lays layers over each other with Linux's overlayfs: each keeps only what it has of
 * its own, a new one on 100 others is made in milliseconds, and its changes are found by looking at
 * them alone.
 *
 * The layout is that of Docker's overlay2 driver, which can read what this one writes and the other
 * way round. It needs root, Linux on x86_64 or arm64, and a file system with extended attributes
 * that is not an overlay itself. What the kernel can do beyond that is tried out once after each
 * start of the machine.
 *
 * Nothing stays mounted when it is disposed of or the process exits. What a killed process leaves
 * mounted is unmounted by the next one that opens it.
 *
 * @throws LayerError `ERR_NOT_SUPPORTED` where overlay cannot work, with the way out as its hint;
 *   `ERR_PERMISSION`, `ERR_NO_SPACE` or `ERR_IO` if the home cannot be used
 *
 * @example
 * ```ts
 * import { mkdtemp, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { LayerError, newCacheID } from '@varve/core'
 * import { overlay } from '@varve/driver-overlay'
 *
 * const root = await mkdtemp(join(tmpdir(), 'overlay-'))
 * try {
 *   await using driver = await overlay({ root })
 *   const [base, top] = [newCacheID(), newCacheID()]
 *   await driver.create(base)
 *   await driver.createReadWrite(top, { parent: base })
 *   await using mount = await driver.mount(top)
 *   await writeFile(join(mount.path, 'motd'), 'hello')
 *   const [change] = await Array.fromAsync(driver.changes(top, base))
 *   console.assert(change?.path === '/motd')
 * } catch (error) {
 *   // Not root, or no Linux: the hint says what to use instead.
 *   console.assert(LayerError.is(error, 'ERR_NOT_SUPPORTED') && error.hint !== undefined)
 * }
 * ```
 */
export async function overlay(options: OverlayOptions): Promise<Driver> {
  const sys = options.sys ?? openSys()
  const root = resolve(options.root)
  const methods = options.mountMethod && [options.mountMethod]
  const native = requireSystem(sys)
  try {
    if (options.readOnly) return await openReadOnly(root, sys, native, options)
    const home = await openHome(root, sys)
    await requireFileSystem(home.root)
    const trees = openTrees(sys, true)
    const scratch = scratchIn(home.aside, sys, native, trees)
    const known = await homeMarks(home)
    const tryOut = async (): Promise<Features> => {
      await using place = await scratch.open()
      return probe(native, place.path, methods, undefined, known)
    }
    const found = options.mountMethod ? await tryOut() : await cachedFeatures(home, sys, tryOut)
    await settleMarks(home, known, found.userxattr)
    const features = { ...found, nativeDiff: options.nativeDiff ?? found.nativeDiff }
    const { method, settings } = features
    const links = NEED_SCRATCH.has(method) ? (await scratch.open()).path : home.aside
    const mounter = mounterOf(native, method, settings, links)
    const mounts = new MountPoints(home, sys, native)
    const marks = marksOf(features.userxattr)
    const quota = new ProjectQuota(home.root, sys, native)
    const parts = { home, sys, native, features, mounter, mounts, marks, scratch, quota, trees }
    await sweepMounts(parts)
    return new OverlayDriver(parts)
  } catch (error) {
    throw wrapError(error, `Cannot open the overlay driver in ${root}`)
  }
}

/** Ways to mount that need a directory of their own. */
const NEED_SCRATCH: ReadonlySet<MountMethod> = new Set(['options', 'fuse'])

async function openReadOnly(
  root: string,
  sys: Sys,
  native: NativeCalls,
  options: OverlayOptions,
): Promise<Driver> {
  const home = await homeAt(root, false)
  const known = await homeMarks(home)
  const methods = options.mountMethod && [options.mountMethod]
  const place = memoryPlace(native)
  try {
    const features = {
      ...probe(native, place.path, methods, undefined, known),
      // What was kept by a daemon, which is root.
      keeps: { owner: true, xattrs: true, devices: true },
      ...(options.nativeDiff === undefined ? {} : { nativeDiff: options.nativeDiff }),
    }
    await settleMarks(home, known, features.userxattr)
    if (!NEED_SCRATCH.has(features.method)) place[Symbol.dispose]()
    const trees = openTrees(sys, true)
    const parts: Parts = {
      home,
      sys,
      native,
      features,
      marks: marksOf(features.userxattr),
      mounter: mounterOf(native, features.method, features.settings, place.path),
      mounts: new MountPoints(home, sys, native),
      scratch: scratchIn(home.aside, sys, native, trees),
      quota: new ProjectQuota(home.root, sys, native),
      trees,
    }
    return readOnlyOverlay(new OverlayDriver(parts), parts, place)
  } catch (error) {
    place[Symbol.dispose]()
    throw error
  }
}
