import { type ByteSource, LayerError } from '@varve/core'

/**
 * How a tar goes to another process: in frames, each its length (32 bits, little-endian) and as many
 * bytes; the first is the job, an empty one is the end. A sender that has died is so told from a tar
 * that is over.
 */
const LENGTH_BYTES = 4
/** Larger chunks go in several frames. */
const LARGEST = 2 ** 30
/** The job: a chain of 128 long paths fits in easily. */
const LARGEST_JOB = 2 ** 22

/** The frames, as pieces to be written one after another. */
export async function* toFrames(job: unknown, tar: ByteSource): AsyncGenerator<Uint8Array> {
  const text = new TextEncoder().encode(JSON.stringify(job))
  yield lengthOf(text.length)
  yield text
  for await (const chunk of tar) {
    for (let at = 0; at < chunk.length; at += LARGEST) {
      const part = chunk.subarray(at, at + LARGEST)
      yield lengthOf(part.length)
      yield part
    }
  }
  yield lengthOf(0)
}

function lengthOf(bytes: number): Uint8Array {
  const length = new Uint8Array(LENGTH_BYTES)
  new DataView(length.buffer).setUint32(0, bytes, true)
  return length
}

/** What came in frames. */
export interface FromFrames {
  readonly job: unknown
  /** To be read once. @throws LayerError `ERR_TRUNCATED` if the sender has died */
  readonly tar: AsyncGenerator<Uint8Array>
}

/** Takes {@link toFrames} apart. @throws LayerError `ERR_TRUNCATED`, `ERR_LIMIT_EXCEEDED` */
export async function fromFrames(source: ByteSource): Promise<FromFrames> {
  const input = new Input(source)
  const length = await input.length()
  if (length > LARGEST_JOB) {
    throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot take a job of ${length} bytes`)
  }
  const parts: Uint8Array[] = []
  for await (const part of input.bytes(length)) parts.push(part.slice())
  return { job: JSON.parse(Buffer.concat(parts).toString()) as unknown, tar: tarOf(input) }
}

async function* tarOf(input: Input): AsyncGenerator<Uint8Array> {
  for (let left = await input.length(); left > 0; left = await input.length()) {
    yield* input.bytes(left)
  }
}

class Input {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)

  constructor(source: ByteSource) {
    this.#chunks =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  }

  async length(): Promise<number> {
    const bytes = new Uint8Array(LENGTH_BYTES)
    let at = 0
    for await (const part of this.bytes(LENGTH_BYTES)) {
      bytes.set(part, at)
      at += part.length
    }
    return new DataView(bytes.buffer).getUint32(0, true)
  }

  /** So many bytes, in the chunks that they come in. */
  async *bytes(count: number): AsyncGenerator<Uint8Array> {
    for (let left = count; left > 0; ) {
      if (this.#chunk.length === 0) {
        const step = await this.#chunks.next()
        if (step.done) throw new LayerError('ERR_TRUNCATED', 'Cannot go on: the sender has ended')
        this.#chunk = step.value
        continue
      }
      const part = this.#chunk.subarray(0, left)
      this.#chunk = this.#chunk.subarray(part.length)
      left -= part.length
      yield part
    }
  }
}
