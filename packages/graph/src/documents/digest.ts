import { join } from 'node:path'
import { asDigest, type Digest, isDigest, LayerError, wrapError } from '@varve/core'
import { assertWritable, type GraphContext } from '../context.ts'
import { damaged } from '../disk/damaged.ts'
import { readText } from '../disk/files.ts'
import { IMAGE_FILE } from '../disk/layout.ts'
import { keepDocument } from './keep.ts'

/** See `Graph.setDigest`. */
export async function setDigest(ctx: GraphContext, id: string, digest: Digest): Promise<void> {
  assertWritable(ctx, `Cannot keep the digest of image ${id}`)
  await using _lock = await ctx.locks.image(id)
  await keepDocument(ctx, id, IMAGE_FILE.digest, asDigest(digest))
}

/** See `Graph.getDigest`. */
export function getDigest(ctx: GraphContext, id: string): Digest {
  const attempt = `Cannot read the digest of image ${id}`
  ctx.assertOpen(attempt)
  let text: string | undefined
  const path = join(ctx.layout.image(id), IMAGE_FILE.digest)
  try {
    text = readText(path)
  } catch (error) {
    throw wrapError(error, attempt)
  }
  if (text === undefined) {
    throw new LayerError('ERR_DIGEST_NOT_SET', `${attempt}: it is not set`, { data: { id } })
  }
  if (isDigest(text)) return text
  throw damaged(id, `its checksum is ${JSON.stringify(text.slice(0, 100))}`)
}
