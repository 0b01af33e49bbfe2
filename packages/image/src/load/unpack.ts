import { decompress } from '@varve/archive'
import { LayerError } from '@varve/core'

/**
 * A layer's tar out of its blob. The blob is read to its very end, whatever follows the compressed
 * data in it, so that its digest is checked.
 *
 * @throws LayerError `ERR_CORRUPT_COMPRESSION`, `ERR_DIGEST_MISMATCH`, and what the blob throws
 */
export async function* unpackBlob(
  blob: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const iterator = blob[Symbol.asyncIterator]()
  try {
    const { bytes } = await decompress(withoutReturn(iterator), signal ? { signal } : {})
    try {
      yield* bytes
    } catch (error) {
      // A blob that is not what it should be is worth more to know than that it does not unpack.
      if (LayerError.is(error, 'ERR_CORRUPT_COMPRESSION')) await drain(iterator)
      throw error
    }
    await drain(iterator)
  } finally {
    await iterator.return?.()
  }
}

async function drain(iterator: AsyncIterator<Uint8Array>): Promise<void> {
  while (!(await iterator.next()).done);
}

/** The same bytes, left open when the reader stops early. */
function withoutReturn(iterator: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) }
}

/** Passes bytes on, having shown each chunk to `see`. */
export async function* tap(
  source: AsyncIterable<Uint8Array>,
  see: (chunk: Uint8Array) => Promise<void> | void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    await see(chunk)
    yield chunk
  }
}
