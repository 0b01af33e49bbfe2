/**
 * Read-write layers by what a user types, and what is remembered of where they came from.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import {
  type Annotations,
  type ChainID,
  LayerError,
  type LayerStore,
  type MountRecord,
  type RWLayer,
} from '@varve/core'
import type { ImageDetails } from '@varve/image'
import { shortID } from '../terminal/words.ts'
import { resolveLayer } from './layers.ts'
import type { OpenedStore } from './open.ts'

/** What a read-write layer is made on. */
export interface Base {
  /** Undefined for nothing at all. */
  readonly chainID: ChainID | undefined
  readonly image: ImageDetails | undefined
  /** As the user named it. */
  readonly name: string
}

/** As for buildah: a base of nothing. No image may be called so. */
export const SCRATCH = 'scratch'

const IMAGE = 'varve.image'
const IMAGE_NAME = 'varve.image.name'
const CREATED = 'varve.created'

/** Where a read-write layer came from, as far as that is remembered. */
export interface Origin {
  /** Id of the image. */
  readonly image: string | undefined
  /** Its name at that time, or its id. */
  readonly name: string | undefined
  readonly created: Date | undefined
}

/**
 * An image by tag, digest or id, a layer by its ChainID, or {@link SCRATCH}.
 *
 * @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID`
 */
export async function resolveBase({ images, store }: OpenedStore, text: string): Promise<Base> {
  if (text === SCRATCH) return { chainID: undefined, image: undefined, name: SCRATCH }
  try {
    const image = await images.get(text)
    return { chainID: image.chainID, image, name: await nameOf(image, text) }
  } catch (error) {
    if (!LayerError.is(error, 'ERR_IMAGE_NOT_FOUND') || !/^(sha256:)?[a-f0-9]+$/i.test(text)) {
      throw error
    }
  }
  const chainID = await resolveLayer(store, text)
  // So that one that is missing or damaged is told now, and by this name.
  await using _layer = await store.get(chainID)
  return { chainID, image: undefined, name: shortID(chainID) }
}

async function nameOf(image: ImageDetails, text: string): Promise<string> {
  const isID = image.id.includes(text.replace(/^sha256:/, '').toLowerCase())
  if (isID) return image.tags[0] ?? shortID(image.id)
  const { familiarName, parseReference } = await import('@varve/image')
  return familiarName(parseReference(text))
}

/** A name for a read-write layer that nobody named: `alpine-3f9a01`. */
export function newName(base: Base): string {
  const last = base.name.split('/').at(-1) ?? ''
  return `${last.replace(/[:@].*$/, '')}-${randomBytes(3).toString('hex')}`
}

/** What a new read-write layer remembers. */
export function originOn(base: Base, now: Date): Annotations {
  return {
    [CREATED]: now.toISOString(),
    [IMAGE_NAME]: base.name,
    ...(base.image ? { [IMAGE]: base.image.id } : {}),
  }
}

/** What is remembered of a read-write layer. */
export function originOf({ annotations = {} }: Pick<MountRecord, 'annotations'>): Origin {
  const created = annotations[CREATED]
  return {
    image: annotations[IMAGE],
    name: annotations[IMAGE_NAME],
    created: created === undefined ? undefined : new Date(created),
  }
}

/** The read-write layer of a name, with the way out if there is none. */
export async function getRW(store: LayerStore, name: string): Promise<RWLayer> {
  try {
    return await store.getRW(name)
  } catch (error) {
    if (!LayerError.is(error, 'ERR_MOUNT_NOT_FOUND')) throw error
    throw new LayerError(error.code, error.message, {
      cause: error.cause,
      data: error.data,
      hint: `varve ps lists those that there are; varve create --name ${name} IMAGE makes one`,
    })
  }
}

/** Whether there is a read-write layer of that name. */
export async function isRW(store: LayerStore, name: string): Promise<boolean> {
  for await (const record of store.rwLayers()) if (record.name === name) return true
  return false
}

/** Every read-write layer, by name. */
export async function allRW(store: LayerStore): Promise<readonly MountRecord[]> {
  const all = await Array.fromAsync(store.rwLayers())
  return all.sort((a, b) => (a.name < b.name ? -1 : 1))
}
