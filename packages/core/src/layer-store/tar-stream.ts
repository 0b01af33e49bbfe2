import { createHash } from 'node:crypto'
import type { FileGetter } from '../driver.ts'
import { LayerError, wrapError } from '../errors.ts'
import type { DiffID } from '../ids.ts'
import type { LayerRecord } from '../metadata.ts'
import { type ByteSource, type CallOptions, checkAborted, interruptible } from '../streams.ts'
import { parentCacheID, type StoreContext } from './context.ts'

/**
 * A layer's own tar, as it was registered. Ends in an error unless its digest is the DiffID.
 *
 * @throws LayerError `ERR_CORRUPT_LAYER`, `ERR_CORRUPT_RECORD`, `ERR_DIGEST_MISMATCH`
 */
export async function* layerTar(
  ctx: StoreContext,
  record: LayerRecord,
  options: CallOptions = {},
): AsyncGenerator<Uint8Array> {
  const attempt = `Cannot give back layer ${record.chainID}`
  let done = 0
  const hash = createHash('sha256')
  for await (const chunk of storedTar(ctx, record, options, attempt)) {
    checkAborted(options.signal, attempt)
    hash.update(chunk)
    done += chunk.length
    yield chunk
    options.onProgress?.({ phase: 'export', id: record.chainID, done })
  }
  const digest = `sha256:${hash.digest('hex')}`
  if (digest !== record.diffID) throw wrongDigest(attempt, digest, record.diffID)
}

async function* storedTar(
  ctx: StoreContext,
  record: LayerRecord,
  options: CallOptions,
  attempt: string,
): AsyncGenerator<Uint8Array> {
  const { driver, metadata, codec } = ctx
  if (driver.capabilities.reproducesExactDiffs) {
    yield* driver.diff(record.cacheID, await parentCacheID(ctx, record.parent), options)
    return
  }
  const split = await metadata.tarSplit(record.chainID)
  if (split === undefined || codec === undefined || driver.files === undefined) {
    throw new LayerError('ERR_CORRUPT_METADATA', `${attempt}: it has no tar-split record`, {
      data: { chainID: record.chainID },
      hint: 'Load the image again: a layer that is registered anew replaces a damaged one',
    })
  }
  const files: FileGetter = await driver.files(record.cacheID)
  try {
    yield* codec.assemble(split, files, options)
  } finally {
    await files[Symbol.asyncDispose]()
  }
}

/** Passes bytes through and hashes them; `digest` and `length` are those of what has passed. */
export class DigestingSource {
  readonly #hash = createHash('sha256')
  #length = 0

  get length(): number {
    return this.#length
  }

  digest(): DiffID {
    return `sha256:${this.#hash.copy().digest('hex')}` as DiffID
  }

  async *pass(source: ByteSource, attempt: string, options: CallOptions, id: string) {
    try {
      for await (const chunk of interruptible(source, options.signal, attempt)) {
        checkAborted(options.signal, attempt)
        this.#hash.update(chunk)
        this.#length += chunk.length
        yield chunk
        options.onProgress?.({ phase: 'register', id, done: this.#length })
      }
    } catch (error) {
      // A source that has the same signal may say so in its own way.
      if (!LayerError.is(error)) checkAborted(options.signal, attempt)
      throw wrapError(error, attempt)
    }
  }
}

/** A view of an iterator whose early end does not end the iterator itself. */
export function shared(bytes: AsyncGenerator<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => bytes.next() }) }
}

/** Reads what the driver left, so that the digest and the record cover every byte. */
export async function drain(bytes: AsyncGenerator<Uint8Array>): Promise<void> {
  while (!(await bytes.next()).done);
}

/** `ERR_DIGEST_MISMATCH`: `got` came instead of `wanted`. */
export function wrongDigest(attempt: string, got: string, wanted: string): LayerError {
  return new LayerError(
    'ERR_DIGEST_MISMATCH',
    `${attempt}: its digest is ${got} and should be ${wanted}`,
    { data: { got, wanted } },
  )
}
