import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import {
  asCacheID,
  type ByteSource,
  type CallOptions,
  callOptions,
  checkAborted,
  cleanUp,
  LayerError,
  wrapError,
} from '@varve/core'
import type { V1Image } from '@varve/image'
import { assertWritable, type GraphContext } from '../context.ts'
import { isThere, makeDirectory, removeTree, syncFile, writeNew } from '../disk/files.ts'
import { IMAGE_FILE } from '../disk/layout.ts'
import { applyLayer } from '../layers/apply.ts'
import type { GraphImage, ImageDescriptor } from '../types.ts'
import { describeRegistration, type Registration } from './describe.ts'
import { isUnusable, loadImage } from './get.ts'

/**
 * See `Graph.register`.
 *
 * The directory `_tmp/<id>` is made before anything else, and stays as long as anything of the
 * image is unfinished: whoever finds it without its owner clears away the driver's layer of that id.
 */
export async function register(
  ctx: GraphContext,
  input: V1Image | ImageDescriptor,
  layer: ByteSource | undefined,
  options: CallOptions = {},
): Promise<GraphImage> {
  const image = describeRegistration(input, ctx.version)
  const { id, parent } = image
  const attempt = `Cannot register image ${id}`
  assertWritable(ctx, attempt)
  checkAborted(options.signal, attempt)
  await using _lock = await ctx.locks.image(id, options)
  const there = await soundImage(ctx, id)
  if (there) return known(ctx, there, attempt)
  await using _hold = parent === undefined ? undefined : await ctx.holds.take(parent)
  const staging = ctx.layout.staging(id)
  try {
    await begin(ctx, image)
    await ctx.driver.create(asCacheID(id), {
      ...callOptions(options),
      ...(parent === undefined ? {} : { parent: asCacheID(parent) }),
    })
    await fill(ctx, image, layer, options)
    await publish(ctx, image, options)
  } catch (error) {
    throw await cleanUp(wrapError(error, attempt, { id }), async () => {
      await ctx.driver.remove(asCacheID(id))
      // Last, since it tells of a layer that could not be removed.
      removeTree(staging)
    })
  }
  return await loadImage(ctx, id)
}

/** 1.7 refuses, and 1.9 has nothing to do. */
function known({ version }: GraphContext, image: GraphImage, attempt: string): GraphImage {
  if (version === '1.9') return image
  throw new LayerError('ERR_IMAGE_EXISTS', `${attempt}: it exists already`, {
    data: { id: image.id },
  })
}

async function soundImage(ctx: GraphContext, id: string): Promise<GraphImage | undefined> {
  try {
    // The whole id, so that an image that the driver does not know is none.
    if ((await ctx.catalog.resolve(id)) !== id) return undefined
    return await loadImage(ctx, id, { locked: true })
  } catch (error) {
    if (isUnusable(error)) return undefined
    throw error
  }
}

/** Writes down what is about to be made, and removes what stands in its place. */
async function begin({ layout, driver, sys, catalog }: GraphContext, { id }: Registration) {
  const staging = layout.staging(id)
  removeTree(staging)
  makeDirectory(staging)
  await sys.syncDirectory(layout.tmp)
  if (isThere(layout.image(id))) {
    await catalog.change(async () => {
      removeTree(layout.image(id))
      await sys.syncDirectory(layout.root)
      return (change) => change.remove(id)
    })
  }
  await driver.remove(asCacheID(id))
}

/** The layer and the image's files, on stable storage. */
async function fill(
  ctx: GraphContext,
  { id, parent, json, parentFile }: Registration,
  layer: ByteSource | undefined,
  options: CallOptions,
): Promise<void> {
  const staging = ctx.layout.staging(id)
  const at = (name: string): string => join(staging, name)
  const record = at(IMAGE_FILE.record)
  const size = layer ? await applyLayer(ctx, layer, { id, parent, record }, options) : 0
  if (isThere(record)) await syncFile(record)
  await writeNew(at(IMAGE_FILE.size), String(size))
  await writeNew(at(IMAGE_FILE.json), json(size))
  if (parentFile !== undefined) await writeNew(at(IMAGE_FILE.parent), parentFile)
  await ctx.sys.syncDirectory(staging)
  await ctx.driver.sync([asCacheID(id)])
}

/** From here the image is there; unless that is not on stable storage: then it is not. */
async function publish(
  { layout, sys, catalog }: GraphContext,
  { id, parent }: Registration,
  options: CallOptions,
): Promise<void> {
  const [staging, final] = [layout.staging(id), layout.image(id)]
  await catalog.change(async () => {
    await rename(staging, final)
    try {
      await sys.syncDirectory(layout.root)
    } catch (error) {
      throw await cleanUp(error, () => rename(final, staging))
    }
    return (change) => change.add(id, parent)
  }, options)
}
