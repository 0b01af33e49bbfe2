import { join } from 'node:path'
import { asCacheID, LayerError, wrapError } from '@varve/core'
import type { GraphContext } from '../context.ts'
import { damaged } from '../disk/damaged.ts'
import { readIfThere, replaceFile } from '../disk/files.ts'
import { notFound, readIdentity, readSize } from '../disk/image-file.ts'
import { IMAGE_FILE } from '../disk/layout.ts'
import type { GraphImage } from '../types.ts'

/** See `Graph.get`. */
export async function getImage(ctx: GraphContext, prefix: string): Promise<GraphImage> {
  ctx.assertOpen('Cannot find an image')
  return await loadImage(ctx, await ctx.catalog.resolve(prefix))
}

/**
 * An image by its whole id, its layer counted if nobody has.
 *
 * @param how.locked whether the caller has the image's lock
 */
export async function loadImage(
  ctx: GraphContext,
  id: string,
  how: { readonly locked?: boolean } = {},
): Promise<GraphImage> {
  const image = readIdentity(ctx.layout, id)
  const known = readSize(ctx.layout, id)
  if (known !== undefined) return { ...image, size: known }
  const { driver } = ctx
  const under = image.parent === undefined ? undefined : asCacheID(image.parent)
  const size = await driver.diffSize(asCacheID(id), under)
  if (!ctx.readOnly) {
    await using _lock = how.locked ? undefined : await ctx.locks.image(id)
    await keepSize(ctx, id, size)
  }
  return { ...image, size }
}

/** Whether there is a sound image of that id. */
export async function imageExists(ctx: GraphContext, prefix: string): Promise<boolean> {
  try {
    await getImage(ctx, prefix)
    return true
  } catch (error) {
    if (isUnusable(error)) return false
    throw error
  }
}

/** Whether an error says that an image is not there or not sound, so that others can go on. */
export function isUnusable(error: unknown): boolean {
  return (
    LayerError.is(error, 'ERR_IMAGE_NOT_FOUND') ||
    LayerError.is(error, 'ERR_CORRUPT_METADATA') ||
    // The layer of the parent, when the own is to be counted.
    LayerError.is(error, 'ERR_LAYER_NOT_FOUND') ||
    LayerError.is(error, 'ERR_LIMIT_EXCEEDED')
  )
}

/** Older graphs have no `layersize`, and −1 says the same. */
async function keepSize({ layout, sys }: GraphContext, id: string, size: number): Promise<void> {
  try {
    const path = join(layout.image(id), IMAGE_FILE.size)
    if (readSize(layout, id) === undefined) await replaceFile(sys, layout.tmp, path, String(size))
  } catch (error) {
    throw wrapError(error, `Cannot keep the size of image ${id}`)
  }
}

/** See `Graph.rawJSON`. */
export function rawJSON(ctx: GraphContext, id: string): Uint8Array {
  ctx.assertOpen(`Cannot read image ${id}`)
  const directory = ctx.layout.image(id)
  try {
    const json = readIfThere(join(directory, IMAGE_FILE.json))
    if (json) return json
  } catch (error) {
    throw damaged(id, 'its document cannot be read', error)
  }
  throw notFound(id)
}
