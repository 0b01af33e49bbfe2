import { constants, createGzip, createZstdCompress } from 'node:zlib'
import { type ByteSource, LayerError } from '@varve/core'

/** How {@link compress} packs. */
export interface CompressOptions {
  /** 1 (fast) to 9 (small) for gzip, default 6; 1 to 22 for zstd, default 3. */
  readonly level?: number
  /**
   * Gzip only. True (the default): the same bytes, hence the same digest, on every runtime and
   * machine, by a packer in JavaScript. False: about four times faster, by the runtime's own zlib,
   * whose output differs between runtimes and versions.
   */
  readonly reproducible?: boolean
}

const CHUNK_BYTES = 2 ** 20

/**
 * Packs bytes as gzip (no name, no time in its header) or as one zstd frame with a checksum.
 *
 * Zstd is always the runtime's own library; its output may differ between versions of it.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` for a level out of range, `ERR_NOT_SUPPORTED` for zstd
 *   where the runtime has none
 *
 * @example
 * ```ts
 * import { compress, decompress } from '@varve/archive'
 *
 * const packed = compress([new TextEncoder().encode('hello')], 'zstd', { level: 19 })
 * const { format, bytes } = await decompress(packed)
 * const first = await bytes.next()
 * console.assert(format === 'zstd' && new TextDecoder().decode(first.value) === 'hello')
 * await bytes.return(undefined)
 * ```
 */
export function compress(
  source: ByteSource,
  format: 'gzip' | 'zstd',
  options: CompressOptions = {},
): AsyncGenerator<Uint8Array> {
  const [normal, most] = format === 'gzip' ? [6, 9] : [3, 22]
  const level = options.level ?? normal
  if (!Number.isInteger(level) || level < 1 || level > most) {
    throw new LayerError(
      'ERR_INVALID_ARGUMENT',
      `Cannot compress at level ${level}: ${format} has levels 1 to ${most}`,
    )
  }
  if (format === 'zstd') return throughStream(source, createZstd(level))
  if (options.reproducible !== false) return portableGzip(source, level)
  return throughStream(source, createGzip({ level, chunkSize: CHUNK_BYTES }))
}

function createZstd(level: number): ReturnType<typeof createZstdCompress> {
  if (typeof createZstdCompress !== 'function') {
    throw new LayerError('ERR_NOT_SUPPORTED', 'Cannot compress: no zstd in this runtime', {
      hint: 'Use Node 22.15, Deno 2.5 or Bun 1.3, or later; or gzip',
    })
  }
  return createZstdCompress({
    chunkSize: CHUNK_BYTES,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  })
}

async function* portableGzip(source: ByteSource, level: number): AsyncGenerator<Uint8Array> {
  // Most programs pack nothing, and it builds its tables when it is loaded.
  const { Gzip } = await import('fflate')
  const out: Uint8Array[] = []
  const gzip = new Gzip({ level: level as 6, mtime: 0 }, (chunk) => {
    out.push(chunk)
  })
  for await (const chunk of source) {
    // The packer keeps what it was given, and the source may use its memory again.
    gzip.push(new Uint8Array(chunk))
    yield* out.splice(0)
  }
  gzip.push(new Uint8Array(0), true)
  yield* out.splice(0)
}

async function* throughStream(
  source: ByteSource,
  stream: ReturnType<typeof createGzip> | ReturnType<typeof createZstdCompress>,
): AsyncGenerator<Uint8Array> {
  let failure: { readonly error: unknown } | undefined
  const feeding = (async () => {
    for await (const chunk of source) {
      if (stream.destroyed) return
      await new Promise<void>((done) => {
        stream.once('close', done)
        stream.write(chunk, () => {
          stream.off('close', done)
          done()
        })
      })
    }
    stream.end()
  })().catch((error: unknown) => {
    failure = { error }
    stream.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  try {
    for await (const chunk of stream) yield chunk as Uint8Array
    await feeding
    if (failure) throw failure.error
  } catch (error) {
    throw failure ? failure.error : error
  } finally {
    stream.destroy()
    await feeding
  }
}
