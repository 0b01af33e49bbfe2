import { join } from 'node:path'
import { type CacheID, type Driver, LayerError, type Mount, type MountOptions } from '@varve/core'
import {
  endKeptMount,
  type MountOn,
  type MountPoints,
  PLACES,
  type Place,
  type Stack,
  useMount,
} from '@varve/overlayfs'
import type { Home } from '../home.ts'
import { layersOfImage } from '../image/open-image.ts'
import { requireVerity } from '../image/verity.ts'
import { type Mounting, mountingOf, type Parts } from '../parts.ts'
import { type Chain, chainOf, isCommitted, isReadWrite } from './chain.ts'

/**
 * Mounts a layer for whoever asked. A read-only one is its image; a read-write one is an overlay on
 * the image beneath, which is mounted once for all that stand on it.
 */
export async function mountLayer(parts: Parts, id: CacheID, options: MountOptions): Promise<Mount> {
  const { home } = parts
  const mounting = mountingOf(parts, `Cannot mount layer ${id}`)
  const chain = await chainOf(home, id)
  if (!(await isReadWrite(home, id))) return await mountImage(home, mounting, id, chain, options)
  const beneath = await useBeneath(home, mounting, chain, options)
  try {
    const committed = await isCommitted(home, id)
    const readOnly = options.readOnly === true || committed
    const place = readOnly ? 'view' : 'merged'
    const mountOn = (target: string) =>
      mountUpper(home, mounting, id, chain, beneath?.path, target, {
        ...options,
        readOnly,
        committed,
      })
    const mount = await use(mounting.mounts, id, place, mountOn, options)
    return {
      ...mount,
      async [Symbol.asyncDispose]() {
        await mount[Symbol.asyncDispose]()
        await beneath?.[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await beneath?.[Symbol.asyncDispose]()
    throw error
  }
}

/** The image that shows a layer, at the layer's own place. */
async function mountImage(
  home: Home,
  { native, mounts, images }: Mounting,
  id: CacheID,
  { upper, image }: Chain,
  options: MountOptions,
): Promise<Mount> {
  if (upper.length > 0) {
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot mount layer ${id}: it was never applied`, {
      data: { id },
      hint: 'Commit the read-write layer that it stands on',
    })
  }
  const layers = image === undefined ? [] : await layersOfImage(home, image)
  for (const layer of layers) await requireVerity(native, home, layer)
  const files = layers.map((layer) => home.image(layer))
  const mountOn = (target: string) => {
    if (files.length > 0) images.mount(files, target)
    else mounts.bind(home.empty, target, true)
  }
  return await use(mounts, id, 'view', mountOn, options)
}

/** The image beneath a read-write layer; undefined if nothing is. */
async function useBeneath(
  home: Home,
  mounting: Mounting,
  { image }: Chain,
  { signal }: MountOptions,
): Promise<Mount | undefined> {
  if (image === undefined) return undefined
  return await mountImage(home, mounting, image, { upper: [], image }, signal ? { signal } : {})
}

interface How {
  readonly readOnly: boolean
  readonly committed: boolean
  readonly mountLabel?: string
}

function mountUpper(
  home: Home,
  { mounts, overlays }: Mounting,
  id: CacheID,
  chain: Chain,
  beneath: string | undefined,
  target: string,
  { readOnly, committed, mountLabel }: How,
): void {
  // The kernel does not let two mounts write to one directory; but one can be in two places.
  const other = PLACES.find((place) => mounts.isMounted(id, place))
  if (other) {
    mounts.bind(join(home.layer(id), other), target, readOnly)
    return
  }
  const label = mountLabel === undefined ? {} : { label: mountLabel }
  overlays.mount(stackOf(home, id, chain, beneath, !committed), target, { readOnly, ...label })
}

/** What an overlay of a read-write layer is made of; something is beneath, if only nothing. */
export function stackOf(
  home: Home,
  id: CacheID,
  { upper }: Chain,
  beneath: string | undefined,
  writable: boolean,
): Stack {
  const [own = '', ...others] = upper
  const lowers = [...others, beneath ?? home.empty]
  return writable
    ? { lowers, upper: { diff: own, work: join(home.layer(id), 'work') } }
    : { lowers: [own, ...lowers] }
}

async function use(
  mounts: MountPoints,
  id: CacheID,
  place: Place,
  mountOn: MountOn,
  { signal, keep }: MountOptions,
): Promise<Mount> {
  using _lock = await mounts.lock(id, signal)
  return useMount(mounts, id, place, mountOn, keep)
}

/**
 * Ends one kept mount of a layer, or all of its kind; says how many are left.
 *
 * @throws LayerError `ERR_MOUNT_NOT_FOUND`
 */
export async function unmountLayer(
  parts: Parts,
  id: CacheID,
  options: UnmountOptions,
): Promise<number> {
  const { home } = parts
  const { mounts } = mountingOf(parts, `Cannot unmount layer ${id}`)
  using _lock = await mounts.lock(id, options.signal)
  const final = !(await isReadWrite(home, id)) || (await isCommitted(home, id))
  return endKeptMount(mounts, id, options, final)
}

type UnmountOptions = NonNullable<Parameters<NonNullable<Driver['unmount']>>[1]>
