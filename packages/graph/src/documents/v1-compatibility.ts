import { join } from 'node:path'
import { LayerError } from '@varve/core'
import { parseV1Image } from '@varve/image'
import { assertWritable, type GraphContext } from '../context.ts'
import { damaged } from '../disk/damaged.ts'
import { readIfThere } from '../disk/files.ts'
import { encodeDocument } from '../disk/image-file.ts'
import { IMAGE_FILE } from '../disk/layout.ts'
import { loadImage } from '../images/get.ts'
import { keepDocument } from './keep.ts'

function assertKnown({ version }: GraphContext, attempt: string): void {
  if (version === '1.9') return
  throw new LayerError(
    'ERR_NOT_SUPPORTED',
    `${attempt}: Docker ${version} knows no such document`,
    {
      hint: 'Open the graph with the version 1.9',
    },
  )
}

/** See `Graph.setV1CompatibilityConfig`. */
export async function setV1Compatibility(
  ctx: GraphContext,
  id: string,
  json: Uint8Array,
): Promise<void> {
  const attempt = `Cannot keep the v1 document of image ${id}`
  assertKnown(ctx, attempt)
  assertWritable(ctx, attempt)
  await using _lock = await ctx.locks.image(id)
  await keepDocument(ctx, id, IMAGE_FILE.v1Compatibility, json)
}

/** See `Graph.getV1CompatibilityConfig`. */
export function getV1Compatibility(ctx: GraphContext, id: string): Uint8Array | undefined {
  const attempt = `Cannot read the v1 document of image ${id}`
  assertKnown(ctx, attempt)
  ctx.assertOpen(attempt)
  return readIfThere(join(ctx.layout.image(id), IMAGE_FILE.v1Compatibility))
}

/**
 * See `Graph.generateV1CompatibilityChain`. From the image down to the first that has a document,
 * then up again; Docker called itself with the image's lock held, and never came back from a ring.
 */
export async function generateV1Chain(ctx: GraphContext, id: string): Promise<Uint8Array> {
  let document = getV1Compatibility(ctx, id)
  const missing: string[] = []
  for (let at: string | undefined = id; at !== undefined && !document; ) {
    if (missing.includes(at)) throw damaged(id, `image ${at} stands on itself`)
    missing.push(at)
    at = (await loadImage(ctx, await ctx.catalog.resolve(at))).parent
    document = at === undefined ? undefined : getV1Compatibility(ctx, at)
  }
  for (const one of missing.toReversed()) document = await generate(ctx, one, document)
  return document as Uint8Array
}

async function generate(
  ctx: GraphContext,
  id: string,
  parent: Uint8Array | undefined,
): Promise<Uint8Array> {
  const { document, size } = await loadImage(ctx, id)
  const { parent: _, ...own } = document
  const beneath = parent && parseV1Image(parent, { what: `the v1 document beneath ${id}` }).id
  const made = encodeDocument({
    ...own,
    id: id.replace(/^sha256:/, ''),
    ...(beneath === undefined ? {} : { parent: beneath }),
    ...(size > 0 ? { Size: size } : {}),
  })
  const bytes = new TextEncoder().encode(made)
  if (!ctx.readOnly) await setV1Compatibility(ctx, id, bytes)
  return bytes
}
