import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Driver, wrapError } from '@varve/core'
import { memoryFile, writeErofs } from '@varve/erofs'
import {
  cachedFeatures,
  type MountMethod,
  MountPoints,
  marksOf,
  mounterOf,
  probe,
  scratchIn,
} from '@varve/overlayfs'
import { type NativeCalls, openSys, type Sys } from '@varve/sys'
import { openTrees, readOnlyDriver, type Trees } from '@varve/trees'
import { ErofsDriver } from './erofs-driver.ts'
import { type Home, homeAt, openHome } from './home.ts'
import { TreeCache } from './image/tree-cache.ts'
import { verityOf } from './image/verity.ts'
import { sweepMounts } from './layers/cleanup.ts'
import {
  IMAGE_METHODS,
  type ImageMethod,
  ImageMounter,
  probeImages,
} from './mounting/image-mounter.ts'
import { requireFileSystem, requireMounts } from './mounting/require.ts'
import type { ErofsFeatures, Mounting, Parts } from './parts.ts'

/** How {@link erofs} opens. */
export interface ErofsOptions {
  /** The driver's home; made if it is missing. */
  readonly root: string
  /**
   * Read layers that somebody else keeps; nothing there is made, tried out, changed or mounted.
   * Default false.
   */
  readonly readOnly?: boolean
  /** The system, if it is open already. */
  readonly sys?: Sys
  /**
   * False to keep, give back, list and check read-only layers only, which needs neither root nor
   * Linux. Default true: then the driver does not open where it cannot mount.
   */
  readonly mounts?: boolean
  /** The one way to mount images that may be used; tried out anew. Default: the best that works. */
  readonly imageMethod?: ImageMethod
  /** The same for overlays. */
  readonly mountMethod?: MountMethod
  /**
   * Whether new images are put under fs-verity, so that the kernel itself refuses altered data. True:
   * a layer that cannot be is refused with `ERR_NOT_SUPPORTED`. Default: those that can be. Images
   * that are under it are mounted only as long as they are, and replaced only by such that are,
   * whatever this says.
   */
  readonly verity?: boolean
  /** Whether changes are found by reading the upper directory. Default: if that is right here. */
  readonly nativeDiff?: boolean
}

/**
 * A driver whose layer on disk *is* its tar: one file, with EROFS metadata behind it that the kernel
 * mounts. Nothing is unpacked, the very tar comes back, and a layer is gone with one file. A layer's
 * metadata are those of the whole chain beneath it, so that a chain of any depth is one mount;
 * overlayfs lies on top for read-write layers.
 *
 * It needs root and Linux 6.4 on x86_64 or arm64 (6.12 to do without loop devices).
 *
 * Nothing stays mounted when it is disposed of or the process exits, unless it is kept. What a killed
 * process leaves mounted is unmounted by the next one that opens it.
 *
 * @throws LayerError `ERR_NOT_SUPPORTED` where images cannot be mounted, with the way out as its hint;
 *   `ERR_PERMISSION`, `ERR_NO_SPACE` or `ERR_IO` if the home cannot be used
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { emptyTar, newCacheID } from '@varve/core'
 * import { erofs } from '@varve/driver-erofs'
 *
 * const root = await mkdtemp(join(tmpdir(), 'erofs-'))
 * await using driver = await erofs({ root, mounts: false })
 * const id = newCacheID()
 * await driver.create(id)
 * await using _applied = await driver.applyDiff(id, undefined, [emptyTar()])
 * const [tar] = await Array.fromAsync(driver.diff(id) as AsyncIterable<Uint8Array>)
 * console.assert(tar?.length === 1024)
 * ```
 */
export async function erofs(options: ErofsOptions): Promise<Driver> {
  const sys = options.sys ?? openSys()
  const root = resolve(options.root)
  const native = options.mounts === false || options.readOnly ? undefined : requireMounts(sys)
  try {
    if (options.readOnly) return readOnlyDriver(new ErofsDriver(await unmounted(root, sys)), root)
    const home = await openHome(root, sys)
    const trees = openTrees(sys, native !== undefined)
    const mounting = native && (await openMounting(home, sys, native, trees, options))
    const verity = verityOf(sys, options.verity)
    const parts: Parts = { home, sys, trees, cache: new TreeCache(), verity, mounting }
    await sweepMounts(parts)
    return new ErofsDriver(parts)
  } catch (error) {
    throw wrapError(error, `Cannot open the erofs driver in ${root}`)
  }
}

async function unmounted(root: string, sys: Sys): Promise<Parts> {
  const trees = openTrees(sys, false)
  const home = await homeAt(root)
  const cache = new TreeCache()
  return { home, sys, trees, cache, verity: undefined, mounting: undefined }
}

async function openMounting(
  home: Home,
  sys: Sys,
  native: NativeCalls,
  trees: Trees,
  options: ErofsOptions,
): Promise<Mounting> {
  await requireFileSystem(home.root)
  const scratch = scratchIn(home.aside, sys, native, trees)
  const { imageMethod, mountMethod } = options
  const tryOut = async (): Promise<ErofsFeatures> => {
    await using place = await scratch.open()
    const images = await tryImages(native, place.path, imageMethod ? [imageMethod] : IMAGE_METHODS)
    return { ...probe(native, place.path, mountMethod && [mountMethod]), images }
  }
  const isGiven = imageMethod !== undefined || mountMethod !== undefined
  const found = isGiven ? await tryOut() : await cachedFeatures(home, sys, tryOut)
  const features = { ...found, nativeDiff: options.nativeDiff ?? found.nativeDiff }
  const { method, settings, images } = features
  const links = method === 'options' ? (await scratch.open()).path : home.aside
  return {
    native,
    features,
    marks: marksOf(features.userxattr),
    overlays: mounterOf(native, method, settings, links),
    images: new ImageMounter(native, images),
    mounts: new MountPoints(home, sys, native),
    scratch,
  }
}

/** Mounts an image of nothing. */
async function tryImages(
  native: NativeCalls,
  directory: string,
  methods: readonly ImageMethod[],
): Promise<ImageMethod> {
  const [image, target] = [join(directory, 'probe.erofs'), join(directory, 'probe')]
  const file = memoryFile()
  await writeErofs(file, [])
  await writeFile(image, file.bytes)
  await mkdir(target)
  return probeImages(native, image, target, methods)
}
