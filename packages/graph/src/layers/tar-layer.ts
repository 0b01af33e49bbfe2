import { join } from 'node:path'
import {
  asCacheID,
  type ByteSource,
  type CallOptions,
  callOptions,
  checkAborted,
  wrapError,
} from '@varve/core'
import type { GraphContext } from '../context.ts'
import { isThere } from '../disk/files.ts'
import { readIdentity } from '../disk/image-file.ts'
import { IMAGE_FILE } from '../disk/layout.ts'
import { readRecord } from '../disk/record-file.ts'

/** See `Graph.tarLayer`. */
export async function* tarLayer(
  ctx: GraphContext,
  prefix: string,
  options: CallOptions = {},
): AsyncGenerator<Uint8Array> {
  ctx.assertOpen('Cannot read a layer')
  const id = await ctx.catalog.resolve(prefix)
  const attempt = `Cannot read the layer of image ${id}`
  await using _hold = await ctx.holds.take(id)
  try {
    for await (const chunk of layerBytes(ctx, id, attempt, options)) {
      checkAborted(options.signal, attempt)
      yield chunk
    }
  } catch (error) {
    throw wrapError(error, attempt)
  }
}

/**
 * From the record where there is one. One that is there and damaged is an error: what the driver
 * would make instead has other bytes, and nobody would know.
 */
async function* layerBytes(
  { layout, driver, codec, version }: GraphContext,
  id: string,
  attempt: string,
  options: CallOptions,
): AsyncGenerator<Uint8Array> {
  const { parent } = readIdentity(layout, id)
  const record = join(layout.image(id), IMAGE_FILE.record)
  if (version === '1.9' && driver.files && isThere(record)) {
    await using files = await driver.files(asCacheID(id))
    yield* codec.assemble(readRecord(record, attempt), files, callOptions(options))
    return
  }
  const under = parent === undefined ? undefined : asCacheID(parent)
  const diff: ByteSource = driver.diff(asCacheID(id), under, callOptions(options))
  yield* diff
}
