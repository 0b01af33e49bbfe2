import { type CacheID, type CallOptions, checkAborted, LayerError } from '@varve/core'
import { openErofs } from '@varve/erofs'
import type { Home } from '../home.ts'
import { openImage } from './open-image.ts'

const READ_BYTES = 2 ** 20

/**
 * The tar that a layer was made from: a range of its file. The next part is read while the last one
 * is used.
 *
 * @throws LayerError `ERR_CORRUPT_LAYER`
 */
export async function* exactTar(
  home: Home,
  id: CacheID,
  { signal, onProgress }: CallOptions,
): AsyncGenerator<Uint8Array> {
  const attempt = `Cannot read layer ${id}`
  await using file = await openImage(home, id)
  const { tar } = await openErofs(file)
  if (!tar) {
    throw new LayerError('ERR_CORRUPT_LAYER', `${attempt}: its image says of no tar`, {
      data: { id },
      hint: 'Register the layer again',
    })
  }
  const buffers = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)] as const
  const read = (from: number) => {
    const buffer = buffers[(from / READ_BYTES) & 1] as Uint8Array
    const length = Math.min(READ_BYTES, tar.size - from)
    return file.into(buffer.subarray(0, length), tar.position + from)
  }
  let next = tar.size > 0 ? read(0) : undefined
  try {
    for (let at = 0; next !== undefined; at += READ_BYTES) {
      checkAborted(signal, attempt)
      const bytes = await next
      next = undefined
      const length = Math.min(READ_BYTES, tar.size - at)
      if (bytes.length < length) {
        throw new LayerError('ERR_CORRUPT_LAYER', `${attempt}: its image was cut short`, {
          data: { id },
        })
      }
      if (at + READ_BYTES < tar.size) next = read(at + READ_BYTES)
      yield bytes
      onProgress?.({ phase: 'diff', id, done: at + length, total: tar.size })
    }
  } finally {
    // The file is not closed under a read that nobody waits for.
    await next?.catch(() => undefined)
  }
}
