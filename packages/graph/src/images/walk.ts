import type { GraphContext } from '../context.ts'
import type { GraphImage } from '../types.ts'
import { isUnusable, loadImage } from './get.ts'

/** See `Graph.walkAll`: a snapshot of the ids, so that the graph may be changed on the way. */
export async function* walkAll(ctx: GraphContext): AsyncGenerator<GraphImage> {
  ctx.assertOpen('Cannot list images')
  for (const id of await ctx.catalog.ids()) {
    const image = await loadIfSound(ctx, id)
    if (image) yield image
  }
}

async function loadIfSound(ctx: GraphContext, id: string): Promise<GraphImage | undefined> {
  try {
    return await loadImage(ctx, id)
  } catch (error) {
    // `problems` tells of it.
    if (isUnusable(error)) return undefined
    throw error
  }
}

/** See `Graph.map`. */
export async function mapImages(ctx: GraphContext): Promise<Map<string, GraphImage>> {
  const images = new Map<string, GraphImage>()
  for await (const image of walkAll(ctx)) images.set(image.id, image)
  return images
}

/** See `Graph.byParent`. */
export async function imagesByParent(ctx: GraphContext): Promise<Map<string, GraphImage[]>> {
  const images = await mapImages(ctx)
  const byParent = new Map<string, GraphImage[]>()
  for (const image of images.values()) {
    if (image.parent === undefined || !images.has(image.parent)) continue
    const siblings = byParent.get(image.parent)
    if (siblings) siblings.push(image)
    else byParent.set(image.parent, [image])
  }
  return byParent
}

/** See `Graph.heads`. */
export async function headImages(ctx: GraphContext): Promise<Map<string, GraphImage>> {
  const heads = new Map<string, GraphImage>()
  for await (const image of walkAll(ctx)) {
    if (!(await ctx.catalog.hasChildren(image.id))) heads.set(image.id, image)
  }
  return heads
}
