import { type ByteSource, LayerError } from '@varve/core'

const EMPTY = new Uint8Array(0)

/** Reads a source by demand, with no more of it in memory than one chunk. */
export class ByteReader {
  readonly #iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  readonly #what: string
  #chunk: Uint8Array = EMPTY
  /** Bytes read so far. */
  offset = 0

  /** @param what is being read, for messages: `a backup stream` */
  constructor(source: ByteSource, what: string) {
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
    this.#what = what
  }

  /** Up to `limit` bytes, at least one; undefined at the end. Valid until the next call. */
  async some(limit: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.length === 0) {
      const step = await this.#iterator.next()
      if (step.done) return undefined
      this.#chunk = step.value
    }
    const part = this.#chunk.subarray(0, limit)
    this.#chunk = this.#chunk.subarray(part.length)
    this.offset += part.length
    return part
  }

  /**
   * `length` bytes of their own, which the caller has found to be few; undefined if the source ended
   * before the first of them.
   *
   * @throws LayerError `ERR_TRUNCATED` if it ended after the first
   */
  async exactly(length: number): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; ) {
      const part = await this.some(length - at)
      if (part === undefined) {
        if (at === 0) return undefined
        throw this.truncated()
      }
      bytes.set(part, at)
      at += part.length
    }
    return bytes
  }

  /** The error for a source that ended too early. */
  truncated(): LayerError {
    return new LayerError(
      'ERR_TRUNCATED',
      `Cannot read ${this.#what}: it ends after ${this.offset} bytes, in the middle of a part`,
      { data: { offset: this.offset } },
    )
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    await this.#iterator.return?.()
  }
}
