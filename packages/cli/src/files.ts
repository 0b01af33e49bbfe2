/**
 * Bytes in and out of a command: a file, or `-` for the standard streams.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { access, constants, open, rename, rm } from 'node:fs/promises'
import { type ByteSource, checkAborted, cleanUp, wrapError } from '@varve/core'
import type { Context } from './context.ts'
import { usageError } from './failure.ts'

const CHUNK_BYTES = 2 ** 20

/** The bytes of a file, or of standard input for `-`. @throws LayerError `ERR_IO`, `ERR_PERMISSION` */
export function readFrom(context: Context, path: string): ByteSource {
  return path === '-' ? context.stdin() : fileBytes(path, context.signal)
}

/** Read ahead by one chunk into two buffers used in turn: a chunk is good until the next is asked for. */
async function* fileBytes(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const attempt = `Cannot read ${path}`
  try {
    await using file = await open(path)
    const buffers = [new Uint8Array(CHUNK_BYTES), new Uint8Array(CHUNK_BYTES)] as const
    const read = (turn: 0 | 1) => {
      const next = file.read(buffers[turn])
      // Thrown where it is awaited; until then nobody looks at it.
      next.catch(() => undefined)
      return next
    }
    let ahead = read(0)
    try {
      for (let turn = 1; ; turn ^= 1) {
        const { bytesRead, buffer } = await ahead
        checkAborted(signal, attempt)
        if (bytesRead === 0) return
        ahead = read(turn as 0 | 1)
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      // The file may be closed only when no read is under way; how that one ended nobody needs.
      await ahead.catch(() => undefined)
    }
  } catch (error) {
    throw wrapError(error, attempt, { path })
  }
}

/** Sees that files are there before anything is made for them. @throws LayerError `ERR_IO`, … */
export async function requireFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (path === '-') continue
    try {
      await access(path, constants.R_OK)
    } catch (error) {
      throw wrapError(error, `Cannot read ${path}`, { path })
    }
  }
}

/** Refuses to write a tar on a terminal; call it before any work is done. */
export function refuseTerminal(context: Context, output: string | undefined): void {
  if ((output === undefined || output === '-') && context.out.isTerminal) {
    throw usageError(
      'refusing to write a tar to a terminal',
      'give a file with -o, or redirect the output',
    )
  }
}

/**
 * Writes bytes to a file, which appears whole or not at all, or to standard output for `-`.
 *
 * @throws LayerError `ERR_IO`, `ERR_NO_SPACE`, `ERR_PERMISSION`, `ERR_ABORTED`
 */
export async function writeTo(
  context: Context,
  output: string | undefined,
  bytes: ByteSource,
): Promise<void> {
  const chunks = interruptible(bytes, context.signal)
  if (output === undefined || output === '-') {
    for await (const chunk of chunks) await context.out.write(chunk)
  } else {
    await writeFile(output, chunks)
  }
}

async function* interruptible(bytes: ByteSource, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    checkAborted(signal, 'Cannot write the output')
    yield chunk
  }
}

async function writeFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx')
    try {
      for await (const chunk of chunks) await file.writeFile(chunk)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    const wrapped = wrapError(error, `Cannot write ${path}`, { path })
    throw await cleanUp(wrapped, () => rm(temporary, { force: true }))
  }
}
