import type { FileHandle } from 'node:fs/promises'
import { checkAborted, LayerError } from '@varve/core'

/** node:zlib inflates fastest from chunks of this size. */
const CHUNK = 1024 * 1024

/** Where to read, and what to say when that fails. */
export interface Range {
  readonly start: number
  readonly size: number
  readonly label: string
  readonly signal?: AbortSignal | undefined
}

/**
 * A part of a file, read ahead by one chunk into two buffers used in turn: a chunk is good until
 * the next one is asked for.
 *
 * @throws LayerError `ERR_TRUNCATED` if the file ends before the range does
 */
export async function* readRange(
  file: FileHandle,
  { start, size, label, signal }: Range,
): AsyncGenerator<Uint8Array> {
  const step = Math.min(CHUNK, size)
  const buffers = [new Uint8Array(step), new Uint8Array(step)] as const
  let turn = 0
  const readAt = (at: number) => {
    turn ^= 1
    return file.read(buffers[turn as 0 | 1], 0, Math.min(step, size - at), start + at)
  }
  let done = 0
  let ahead = size > 0 ? readAt(0) : undefined
  try {
    while (ahead) {
      const { bytesRead, buffer } = await ahead
      ahead = undefined
      checkAborted(signal, `Cannot read ${label}`)
      if (bytesRead === 0) {
        throw new LayerError('ERR_TRUNCATED', `Cannot read ${label}: it ends too early`, {
          data: { expected: size, got: done },
        })
      }
      done += bytesRead
      ahead = done < size ? readAt(done) : undefined
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    // The file may be closed only when no read is under way; its failure no longer matters to
    // anybody, because the reader has gone.
    await ahead?.catch(() => undefined)
  }
}
