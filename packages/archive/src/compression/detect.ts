import { LayerError } from '@varve/core'

/** How the bytes of a layer blob are packed. */
export type CompressionFormat = 'none' | 'gzip' | 'zstd'

/** How many bytes {@link detectFormat} needs to see. */
export const MAGIC_LENGTH = 6

const FOREIGN: readonly { readonly name: string; readonly magic: readonly number[] }[] = [
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68] },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { name: 'lz4', magic: [0x04, 0x22, 0x4d, 0x18] },
]

/**
 * Tells from its first bytes how a blob is packed. What has no known magic is `none`.
 *
 * Magic numbers: RFC 1952 §2.3.1 with §2.3.1.2 (gzip, deflate), RFC 8878 §3.1.1 and §3.1.2 (zstd
 * and skippable frames).
 *
 * @param head the first {@link MAGIC_LENGTH} bytes, fewer if there are no more
 * @throws LayerError `ERR_NOT_SUPPORTED` for bzip2, xz and lz4
 *
 * @example
 * ```ts
 * import { detectFormat } from '@varve/archive'
 *
 * console.assert(detectFormat(Uint8Array.of(0x1f, 0x8b, 0x08)) === 'gzip')
 * console.assert(detectFormat(new Uint8Array(512)) === 'none')
 * ```
 */
export function detectFormat(head: Uint8Array): CompressionFormat {
  if (begins(head, [0x1f, 0x8b, 0x08])) return 'gzip'
  if (begins(head, [0x28, 0xb5, 0x2f, 0xfd])) return 'zstd'
  if (((head[0] ?? 0) & 0xf0) === 0x50 && begins(head.subarray(1), [0x2a, 0x4d, 0x18]))
    return 'zstd'
  const foreign = FOREIGN.find(({ magic }) => begins(head, magic))
  if (foreign === undefined) return 'none'
  throw new LayerError('ERR_NOT_SUPPORTED', `Cannot decompress layer: it is ${foreign.name}`, {
    data: { format: foreign.name },
    hint: 'Unpack it first, or make the image with gzip or zstd layers',
  })
}

function begins(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, at) => bytes[at] === byte)
}
