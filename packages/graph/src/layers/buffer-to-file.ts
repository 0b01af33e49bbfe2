import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { compress } from '@varve/archive'
import type { ByteSource, Digest } from '@varve/core'

/**
 * Writes bytes to a file as gzip, from its beginning, as Docker 1.7 buffered a layer that it was
 * about to push.
 *
 * @returns size and digest of the compressed bytes
 *
 * @example
 * ```ts
 * import { mkdtemp, open } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { bufferToFile } from '@varve/graph'
 *
 * const file = await open(join(await mkdtemp(join(tmpdir(), 'graph-')), 'layer.gz'), 'w+')
 * const { size, digest } = await bufferToFile(file, [new TextEncoder().encode('a layer')])
 * console.assert((await file.stat()).size === size && digest.startsWith('sha256:'))
 * await file.close()
 * ```
 */
export async function bufferToFile(
  file: FileHandle,
  source: ByteSource,
): Promise<{ readonly size: number; readonly digest: Digest }> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of compress(source, 'gzip')) {
    hash.update(chunk)
    for (let at = 0; at < chunk.length; ) {
      const { bytesWritten } = await file.write(chunk, at, chunk.length - at, size)
      at += bytesWritten
      size += bytesWritten
    }
  }
  return { size, digest: `sha256:${hash.digest('hex')}` }
}
