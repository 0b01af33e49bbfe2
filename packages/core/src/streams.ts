import { LayerError } from './errors.ts'

/**
 * Any producer of bytes: a Node or web stream, a generator, an array of chunks. Consumers must not
 * keep or change a chunk after they have asked for the next one.
 */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** One step of a long call, for progress bars. */
export interface ProgressEvent {
  /** What is being done: `register`, `export`, `check`, … */
  readonly phase: string
  /** What it is done to: a digest, a name. */
  readonly id: string
  /** Bytes done so far. */
  readonly done: number
  /** Bytes to do in all, if known. */
  readonly total?: number
}

/** What every call that may take long accepts as (part of) its last argument. */
export interface CallOptions {
  /** Aborting it makes the call clean up and fail with `ERR_ABORTED`. */
  readonly signal?: AbortSignal
  /** Called at most a few times for each chunk; must not throw. */
  readonly onProgress?: (event: ProgressEvent) => void
}

/** Only the {@link CallOptions} among a call's options, to be handed on. */
export function callOptions(options: CallOptions): CallOptions {
  const { signal, onProgress } = options
  return { ...(signal ? { signal } : {}), ...(onProgress ? { onProgress } : {}) }
}

/** Throws `ERR_ABORTED` if `signal` was aborted. */
export function checkAborted(signal: AbortSignal | undefined, attempt: string): void {
  if (signal?.aborted) {
    throw new LayerError('ERR_ABORTED', `${attempt}: interrupted`, { cause: signal.reason })
  }
}

/**
 * The same bytes, an abort also ending the wait for a producer that has stalled: that one is told
 * to end, and not waited for.
 *
 * @throws LayerError `ERR_ABORTED`, and what the source throws
 */
export async function* interruptible(
  source: ByteSource,
  signal: AbortSignal | undefined,
  attempt: string,
): AsyncGenerator<Uint8Array> {
  if (signal === undefined || !(Symbol.asyncIterator in source)) {
    yield* source
    return
  }
  const iterator = source[Symbol.asyncIterator]()
  let reading = false
  let ended = false
  try {
    while (!ended) {
      checkAborted(signal, attempt)
      reading = true
      const step = await beforeAbort(iterator.next(), signal, attempt)
      reading = false
      if (step.done) ended = true
      else yield step.value
    }
  } finally {
    if (!reading && !ended) await iterator.return?.()
    // The read has failed, and the source has ended; or it has stalled, and this call waits behind
    // it for ever. The caller is told of the failure or the abort.
    if (reading) iterator.return?.().catch(() => undefined)
  }
}

/** What a promise gives, unless the abort comes first. */
async function beforeAbort<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  attempt: string,
): Promise<T> {
  const aborted = Promise.withResolvers<undefined>()
  const abort = () => aborted.resolve(undefined)
  signal.addEventListener('abort', abort)
  // The producer itself may have aborted while it was asked.
  if (signal.aborted) abort()
  try {
    const first = await Promise.race([promise, aborted.promise])
    if (first === undefined) checkAborted(signal, attempt)
    return first as T
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/**
 * A web stream over a source, pulled on demand. Cancelling it ends the source's iterator.
 *
 * Node's `ReadableStream.from` is not used: its chunks pass through two promises more.
 */
export function toStream(source: ByteSource): ReadableStream<Uint8Array> {
  let iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array> | undefined
  const start = () =>
    (iterator ??=
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]())
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await start().next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await start().return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

/** All bytes of a source in one array, `limit` bytes at most. @throws LayerError `ERR_LIMIT_EXCEEDED` */
export async function collect(source: ByteSource, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of source) {
    length += chunk.length
    if (length > limit) {
      throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read more than ${limit} bytes here`, {
        data: { limit },
      })
    }
    // Not `slice`, which for a Node Buffer is a view of the same memory.
    chunks.push(new Uint8Array(chunk))
  }
  const all = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}
