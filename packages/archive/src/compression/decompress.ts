import { createGunzip, createZstdDecompress } from 'node:zlib'
import { type ByteSource, checkAborted, LayerError } from '@varve/core'
import { type CompressionFormat, detectFormat, MAGIC_LENGTH } from './detect.ts'
import { LARGEST_BLOCK, splitZstdFrames } from './zstd-frames.ts'

/** How {@link decompress} works and when it gives up. */
export interface DecompressOptions {
  readonly signal?: AbortSignal
  /** Most bytes that may come out. Default 1 TiB. */
  readonly maxBytes?: number
  /**
   * Most bytes that may come out for each byte that went in, looked at from the first 16 MiB of
   * output on. Default: no limit (that of the gzip format itself is 1,032).
   */
  readonly maxRatio?: number
}

/** What {@link decompress} gives. */
export interface Decompressed {
  /** What the source was. */
  readonly format: CompressionFormat
  /** The unpacked bytes; ends the source's iterator when it is ended itself. */
  readonly bytes: AsyncGenerator<Uint8Array>
}

const DEFAULT_MAX_BYTES = 2 ** 40
const RATIO_GRACE = 16 * 2 ** 20
/**
 * Inflating in pieces of 16 KiB, the default, is slow; from here on it is as fast as in pieces of
 * 1 MiB. Each piece is new memory, which is there until the next garbage collection.
 */
const CHUNK_BYTES = 2 ** 17
const STREAM_OPTIONS = { chunkSize: CHUNK_BYTES, readableHighWaterMark: CHUNK_BYTES }
/** More than any block becomes, so that none fills a piece to its end. */
const ZSTD_OPTIONS = { ...STREAM_OPTIONS, chunkSize: LARGEST_BLOCK + 1024 }

/**
 * Unpacks a layer blob, whichever of gzip, zstd or neither it is.
 *
 * All members of a gzip file and all frames of a zstd stream are unpacked. The work is done in this
 * process, never by another program, on the runtime's thread pool: one chunk ahead of the consumer.
 *
 * @throws LayerError `ERR_NOT_SUPPORTED` for bzip2, xz and lz4; from the generator,
 *   `ERR_CORRUPT_COMPRESSION` for damaged or incomplete input, `ERR_LIMIT_EXCEEDED` beyond
 *   `maxBytes` or `maxRatio`, `ERR_ABORTED`
 *
 * @example
 * ```ts
 * import { decompress } from '@varve/archive'
 * import { gzipSync } from 'node:zlib'
 *
 * const { format, bytes } = await decompress([gzipSync('hello')])
 * let text = ''
 * for await (const chunk of bytes) text += new TextDecoder().decode(chunk)
 * console.assert(format === 'gzip' && text === 'hello')
 * ```
 */
export async function decompress(
  source: ByteSource,
  options: DecompressOptions = {},
): Promise<Decompressed> {
  const input = new CountedInput(source)
  let format: CompressionFormat
  try {
    checkAborted(options.signal, 'Cannot decompress layer')
    format = detectFormat(await input.peek(MAGIC_LENGTH))
  } catch (error) {
    await input.close()
    throw error
  }
  return { format, bytes: limit(unpack(format, input), input, options) }
}

function unpack(format: CompressionFormat, input: CountedInput): AsyncGenerator<Uint8Array> {
  if (format === 'none') return input.chunks()
  if (format === 'zstd') return run(format, createZstdStream(), splitZstdFrames(input.chunks()))
  return run(format, createGunzip(STREAM_OPTIONS), input.chunks())
}

function createZstdStream(): ReturnType<typeof createZstdDecompress> {
  if (typeof createZstdDecompress !== 'function') {
    throw new LayerError('ERR_NOT_SUPPORTED', 'Cannot decompress layer: no zstd in this runtime', {
      hint: 'Use Node 22.15, Deno 2.5 or Bun 1.3, or later',
    })
  }
  return createZstdDecompress(ZSTD_OPTIONS)
}

type Unpacker = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>

/** Feeds a zlib stream and reads it at the same time. */
async function* run(
  format: CompressionFormat,
  stream: Unpacker,
  input: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let inputError: { readonly error: unknown } | undefined
  const feeding = feed(stream, input).catch((error: unknown) => {
    inputError = { error }
    stream.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  try {
    for await (const chunk of stream) yield chunk as Uint8Array
    await feeding
    if (inputError) throw inputError.error
  } catch (error) {
    if (inputError) throw inputError.error
    throw new LayerError(
      'ERR_CORRUPT_COMPRESSION',
      `Cannot decompress ${format}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error, hint: 'The blob is damaged or incomplete; fetch it again' },
    )
  } finally {
    stream.destroy()
    await feeding
  }
}

async function feed(stream: Unpacker, input: AsyncGenerator<Uint8Array>): Promise<void> {
  for await (const chunk of input) {
    if (stream.destroyed) return
    // A chunk is only ours until the next one is asked for, so wait until it has been taken.
    await new Promise<void>((done) => {
      stream.once('close', done)
      stream.write(chunk, () => {
        stream.off('close', done)
        done()
      })
    })
    if (stream.destroyed) return
  }
  stream.end()
}

async function* limit(
  bytes: AsyncGenerator<Uint8Array>,
  input: CountedInput,
  options: DecompressOptions,
): AsyncGenerator<Uint8Array> {
  const { maxBytes = DEFAULT_MAX_BYTES, maxRatio = Infinity } = options
  let out = 0
  for await (const chunk of bytes) {
    checkAborted(options.signal, 'Cannot decompress layer')
    out += chunk.length
    const tooDense = out > RATIO_GRACE && out > input.taken * maxRatio
    if (out > maxBytes || tooDense) {
      throw new LayerError(
        'ERR_LIMIT_EXCEEDED',
        `Cannot decompress layer: ${input.taken} bytes became more than ${
          tooDense ? `${maxRatio} times as many` : `${maxBytes} bytes`
        }`,
        { data: { maxBytes, maxRatio, bytesIn: input.taken, bytesOut: out } },
      )
    }
    yield chunk
  }
}

/** A source that can be looked at before it is read, and that counts what was taken of it. */
class CountedInput {
  readonly #iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  readonly #peeked: Uint8Array[] = []
  #ended = false
  taken = 0

  constructor(source: ByteSource) {
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  /** The first bytes, fewer if there are no more. */
  async peek(length: number): Promise<Uint8Array> {
    let head: Uint8Array = new Uint8Array(0)
    while (head.length < length && !this.#ended) {
      const { done, value } = await this.#iterator.next()
      if (done) {
        this.#ended = true
        break
      }
      // Copied unless it suffices alone: the source may use its memory again.
      const only = head.length === 0 && value.length >= length
      this.#peeked.push(only ? value : new Uint8Array(value))
      head = only ? value.subarray(0, length) : Buffer.concat([head, value])
    }
    return head
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (let chunk = this.#peeked.shift(); chunk; chunk = this.#peeked.shift()) {
        this.taken += chunk.length
        yield chunk
      }
      while (!this.#ended) {
        const { done, value } = await this.#iterator.next()
        if (done) break
        this.taken += value.length
        yield value
      }
      this.#ended = true
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#iterator.return?.()
  }
}
