import { type FileHandle, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CallOptions, cleanUp, LayerError, toStream, wrapError } from '@varve/core'
import type { GraphContext } from '../context.ts'
import { scratchName } from '../disk/files.ts'
import { FILE_MODE } from '../disk/layout.ts'
import type { TempLayerArchive } from '../types.ts'
import { tarLayer } from './tar-layer.ts'

/** Docker's words for it (`graph.go`, `TempLayerArchive`). */
const PHASE = 'Buffering to disk'
const CHUNK = 2 ** 20

/** See `Graph.tempLayerArchive`. */
export async function tempLayerArchive(
  ctx: GraphContext,
  prefix: string,
  options: CallOptions = {},
): Promise<TempLayerArchive> {
  const id = await ctx.catalog.resolve(prefix)
  const attempt = `Cannot buffer the layer of image ${id}`
  try {
    const file = await openScratch(ctx.readOnly ? tmpdir() : ctx.layout.tmp)
    try {
      let size = 0
      for await (const chunk of tarLayer(
        ctx,
        id,
        options.signal ? { signal: options.signal } : {},
      )) {
        await file.writeFile(chunk)
        size += chunk.length
        options.onProgress?.({ phase: PHASE, id, done: size })
      }
      return archiveIn(file, size)
    } catch (error) {
      throw await cleanUp(error, () => file.close())
    }
  } catch (error) {
    throw wrapError(error, attempt)
  }
}

/** A file without a name, gone when it is closed, or when the process dies. */
async function openScratch(directory: string): Promise<FileHandle> {
  const path = join(directory, scratchName())
  const file = await open(path, 'wx+', FILE_MODE)
  try {
    await rm(path)
    return file
  } catch (error) {
    throw await cleanUp(error, () => file.close())
  }
}

function archiveIn(file: FileHandle, size: number): TempLayerArchive {
  let isRead = false
  let isOpen = true
  const close = async (): Promise<void> => {
    if (!isOpen) return
    isOpen = false
    await file.close()
  }
  return {
    size,
    read() {
      if (isRead) {
        throw new LayerError('ERR_INVALID_ARGUMENT', 'Cannot read a temporary layer twice')
      }
      isRead = true
      return toStream(bytesOf(file, size, close))
    },
    [Symbol.asyncDispose]: close,
  }
}

async function* bytesOf(
  file: FileHandle,
  size: number,
  close: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let at = 0; at < size; ) {
      const chunk = new Uint8Array(Math.min(CHUNK, size - at))
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
      if (bytesRead === 0) {
        throw new LayerError('ERR_TRUNCATED', 'Cannot read a temporary layer: it was cut short')
      }
      at += bytesRead
      yield chunk.subarray(0, bytesRead)
    }
  } finally {
    await close()
  }
}
