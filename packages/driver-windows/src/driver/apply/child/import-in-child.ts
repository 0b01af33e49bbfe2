import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type ByteSource, checkAborted, interruptible, LayerError } from '@varve/core'
import { type AsidePayload, displacedFile } from '../../../layer/payloads.ts'
import { removeTree } from '../../../layer/remove-tree.ts'
import type { Service } from '../../service.ts'
import type { Importer } from '../importer.ts'
import { toFrames } from './frames.ts'
import type { ImportAnswer, ImportJob, ServiceOfChild } from './job.ts'
import { receiveError } from './sent-error.ts'
import { type Child, type Command, startChild } from './start-child.ts'

/**
 * An importer that starts a process for each layer, as moby does (`docker-windows-write-layer`):
 * privileges are those of a whole process, and no other work shall get them. Whatever ends it, an
 * abort or a kill, nothing is left but an unfinished layer and what is in `asideDir`.
 */
export function importInChild(
  service: Service,
  compat: 'v1.11' | 'current',
  opens: ServiceOfChild,
  command: Command,
): Importer {
  return async (id, chain, tar, asideDir, { signal }) => {
    const attempt = `Cannot import layer ${id}`
    checkAborted(signal, attempt)
    const temporary = join(asideDir, 'tmp')
    await mkdir(temporary)
    const { root: home } = service.home
    const job: ImportJob = { home, id, chain, compat, asideDir, service: opens }
    const child = startChild(command, temporary)
    const over = new AbortController()
    const stop = () => child.kill()
    signal?.addEventListener('abort', stop)
    try {
      const ended = child.ended.finally(() => over.abort())
      const failure = await send(child, job, tar, over.signal)
      if (failure !== undefined) child.kill()
      const { said, why } = await ended
      checkAborted(signal, attempt)
      if (failure !== undefined) throw failure
      const answer = parseAnswer(said, attempt, why)
      if ('failure' in answer) throw receiveError(answer.failure)
      const displaced = answer.displaced.map(
        (file): AsidePayload => ({
          ...file,
          name: new Uint8Array(Buffer.from(file.name, 'base64')),
        }),
      )
      return { size: answer.size, displaced: displaced.map(displacedFile) }
    } finally {
      signal?.removeEventListener('abort', stop)
      await removeTree(temporary)
    }
  }
}

/**
 * Sends all, or as much as is wanted.
 *
 * @returns what the tar has failed with
 */
async function send(
  child: Child,
  job: ImportJob,
  tar: ByteSource,
  over: AbortSignal,
): Promise<Error | undefined> {
  let failure: Error | undefined
  const watched = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* tar
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
      throw error
    }
  }
  try {
    for await (const piece of toFrames(job, interruptible(watched(), over, 'It has ended'))) {
      await written(child.stdin, piece, over)
    }
    child.stdin.end()
  } catch {
    // A failure of the tar is returned. Whoever takes no more has an answer, or has died: see there.
  }
  return failure
}

/** Waits until the bytes may be changed again, or nobody takes them. */
function written(
  stream: NodeJS.WritableStream,
  bytes: Uint8Array,
  over: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new Error('nobody takes it'))
    if (over.aborted) stop()
    over.addEventListener('abort', stop)
    stream.write(bytes, (error) => {
      over.removeEventListener('abort', stop)
      if (error) reject(error)
      else resolve()
    })
  })
}

function parseAnswer(said: string, attempt: string, why: string): ImportAnswer {
  try {
    return JSON.parse(said) as ImportAnswer
  } catch (cause) {
    throw new LayerError('ERR_IO', `${attempt}: the process that did it has ended (${why})`, {
      cause,
      data: { ended: why },
      hint: 'Remove the layer and try again',
    })
  }
}
