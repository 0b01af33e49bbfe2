import { type FileHandle, open } from 'node:fs/promises'
import { type CacheID, isCacheID, LayerError, wrapError } from '@varve/core'
import { type ByteRanges, type ErofsImage, type ErofsStat, openErofs } from '@varve/erofs'
import type { Home } from '../home.ts'

/** An image of this home, open to be read. */
export interface OpenImage extends ByteRanges, AsyncDisposable {
  readonly handle: FileHandle
}

/** @throws LayerError `ERR_CORRUPT_LAYER` if the file is gone */
export async function openImage(home: Home, id: CacheID): Promise<OpenImage> {
  let handle: FileHandle
  try {
    handle = await open(home.image(id), 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw wrapError(error, readImage(id))
    throw new LayerError('ERR_CORRUPT_LAYER', `${readImage(id)}: its image is missing`, {
      cause: error,
      data: { id },
      hint: 'Register the layer again',
    })
  }
  const { size } = await handle.stat()
  return {
    handle,
    size,
    async read(position, length) {
      const buffer = new Uint8Array(Math.min(length, Math.max(0, size - position)))
      let at = 0
      while (at < buffer.length) {
        const { bytesRead } = await handle.read(buffer, at, buffer.length - at, position + at)
        if (bytesRead === 0) break
        at += bytesRead
      }
      return buffer.subarray(0, at)
    },
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

/** What an image says of itself. */
export interface ImageHead {
  readonly devices: ErofsImage['devices']
  readonly root: ErofsStat
}

/** @throws LayerError `ERR_CORRUPT_LAYER` */
export async function readImageHead(home: Home, id: CacheID): Promise<ImageHead> {
  await using file = await openImage(home, id)
  const image = await openErofs(file)
  const root = await image.stat('/')
  if (!root) throw new LayerError('ERR_CORRUPT_LAYER', `${readImage(id)}: its image has no root`)
  return { devices: image.devices, root }
}

/** The layers whose files an image needs as the kernel wants them: itself, then its devices. */
export async function layersOfImage(home: Home, id: CacheID): Promise<readonly CacheID[]> {
  const { devices } = await readImageHead(home, id)
  const lower = devices.map(({ tag }) => {
    if (isCacheID(tag)) return tag
    throw new LayerError('ERR_CORRUPT_LAYER', `${readImage(id)}: it stands on no layer`, {
      data: { id },
    })
  })
  return [id, ...lower]
}

function readImage(id: CacheID): string {
  return `Cannot read layer ${id}`
}
