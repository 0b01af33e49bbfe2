import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { asCacheID, type CacheID, LayerError } from '@varve/core'
import { makeLayer } from './layers/make-layer.ts'
import type { Parts } from './parts.ts'

/** A base image that every layer of this machine may stand on. */
export interface BaseImage {
  readonly id: CacheID
  readonly name: string
  readonly version: string
  readonly path: string
  readonly size: number
  /** As the service says it. */
  readonly createdTime: string
}

/** Makes the base images that come with the system known as layers, and lists them. */
export async function knowBaseImages(parts: Parts): Promise<BaseImage[]> {
  const { home, hcs } = parts.service
  const images: BaseImage[] = []
  for (const image of parseImages(await hcs.getBaseImages())) {
    const folder = basename(image.path.replaceAll('\\', '/'))
    const digest = createHash('sha384').update(folder).digest('hex')
    const id = asCacheID(digest.slice(0, 64))
    if (!(await home.has(id))) {
      await makeLayer(parts, id, {})
      await home.setAlias(id, folder)
    }
    images.push({ ...image, id })
  }
  return images
}

/** @throws LayerError `ERR_CORRUPT_METADATA` if the service said something else */
function parseImages(json: string): Omit<BaseImage, 'id'>[] {
  try {
    const { Images } = JSON.parse(json) as { Images: Record<string, unknown>[] | null }
    return (Images ?? []).map((image) => ({
      name: String(image.Name ?? ''),
      version: String(image.Version ?? ''),
      path: String(image.Path),
      size: Number(image.Size ?? 0),
      createdTime: String(image.CreatedTime ?? ''),
    }))
  } catch (cause) {
    throw new LayerError('ERR_CORRUPT_METADATA', 'Cannot read the list of base images', { cause })
  }
}
