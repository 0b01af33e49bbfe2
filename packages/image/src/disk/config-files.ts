/**
 * Reading images' configurations. These take no lock and make nothing, so that a layer store may
 * ask for them under its own lock.
 *
 * @module
 */
import { type ChainID, chainIDOfStack, digestOf, isDigest, LayerError } from '@varve/core'
import { parseConfig } from '../source/manifest.ts'
import type { ImageConfig, ImageID } from '../types/image.ts'
import { namesIn, readIfThere } from './files.ts'
import type { ImagePaths } from './paths.ts'

/** A configuration with its bytes. */
export interface StoredConfig {
  readonly id: ImageID
  readonly config: ImageConfig
  readonly bytes: Uint8Array
}

function isImageID(text: string): text is ImageID {
  return isDigest(text)
}

/** Ids of all images, damaged ones included. */
export async function listImageIDs(paths: ImagePaths): Promise<ImageID[]> {
  return (await namesIn(paths.configs)).map((hex) => `sha256:${hex}`).filter(isImageID)
}

/** @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_CORRUPT_METADATA` */
export async function readConfig(paths: ImagePaths, id: ImageID): Promise<StoredConfig> {
  const bytes = await readIfThere(paths.config(id))
  if (!bytes) {
    throw new LayerError('ERR_IMAGE_NOT_FOUND', `Cannot find image ${id}`, { data: { id } })
  }
  const damaged = (why: string, cause?: unknown) =>
    new LayerError('ERR_CORRUPT_METADATA', `Cannot read image ${id}: ${why}`, {
      cause,
      data: { id },
      hint: 'Run "varve check --repair" and load the image again',
    })
  const actual = digestOf(bytes)
  if (actual !== id) throw damaged(`its bytes are those of ${actual}`)
  try {
    return { id, bytes, config: parseConfig(bytes, `config of image ${id}`) }
  } catch (cause) {
    throw damaged(cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/**
 * Every healthy image's configuration. `check` reports damaged ones; one that vanishes while this
 * runs was removed by somebody.
 */
export async function readConfigs(paths: ImagePaths): Promise<StoredConfig[]> {
  const all: StoredConfig[] = []
  for (const id of await listImageIDs(paths)) {
    const found = await readHealthy(paths, id)
    if (found) all.push(found)
  }
  return all
}

async function readHealthy(paths: ImagePaths, id: ImageID): Promise<StoredConfig | undefined> {
  try {
    return await readConfig(paths, id)
  } catch (error) {
    const expected =
      LayerError.is(error, 'ERR_CORRUPT_METADATA') || LayerError.is(error, 'ERR_IMAGE_NOT_FOUND')
    if (expected) return undefined
    throw error
  }
}

/** ChainID of an image's whole stack; undefined without layers. */
export function chainOf(config: ImageConfig): ChainID | undefined {
  const { diff_ids: diffIDs } = config.rootfs
  return diffIDs.length === 0 ? undefined : chainIDOfStack(diffIDs)
}

/** ChainIDs of an image's layers, base first. */
export function chainsOf(config: ImageConfig): ChainID[] {
  const { diff_ids: diffIDs } = config.rootfs
  return diffIDs.map((_, index) => chainIDOfStack(diffIDs.slice(0, index + 1)))
}
