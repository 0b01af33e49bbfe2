import { type FileHandle, open } from 'node:fs/promises'
import { type CacheID, isCacheID, LayerError, wrapError } from '@varve/core'
import { type ByteRanges, type ErofsImage, type ErofsStat, openErofs } from '@varve/erofs'
import { isThere } from '@varve/trees'
import type { Home } from '../home.ts'
import { digestFile } from './verity.ts'

/** An image of this home, open to be read. */
export interface OpenImage extends ByteRanges, AsyncDisposable {
  /** Reads until a buffer is full or the file ends; gives what was filled. */
  into(buffer: Uint8Array, position: number): Promise<Uint8Array>
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
  const into = async (buffer: Uint8Array, position: number): Promise<Uint8Array> => {
    let at = 0
    while (at < buffer.length) {
      const bytesRead = await readPart(home, id, handle, buffer.subarray(at), position + at)
      if (bytesRead === 0) break
      at += bytesRead
    }
    return buffer.subarray(0, at)
  }
  return {
    size,
    into,
    read: (position, length) =>
      into(new Uint8Array(Math.min(length, Math.max(0, size - position))), position),
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

/** What the kernel refuses to read of a file under fs-verity was altered, or the disk lost it. */
async function readPart(
  home: Home,
  id: CacheID,
  handle: FileHandle,
  buffer: Uint8Array,
  position: number,
): Promise<number> {
  try {
    return (await handle.read(buffer, 0, buffer.length, position)).bytesRead
  } catch (error) {
    const isRefused = (error as NodeJS.ErrnoException).code === 'EIO'
    if (!isRefused || !(await isThere(digestFile(home, id)))) throw error
    throw new LayerError(
      'ERR_CORRUPT_LAYER',
      `${readImage(id)}: its image was altered, so the kernel refuses to read it`,
      { cause: error, data: { id, position }, hint: 'Register the layer again' },
    )
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
