/** Bytes of one chunk. */
const CHUNK_BYTES = 256 * 1024

/**
 * Gathers many small pieces into chunks, because each chunk costs its way through every generator.
 * A chunk that was given out is never written to again.
 */
export class ChunkPacker {
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #used = 0

  /** What is free in the present chunk, never nothing; say how much of it was filled. */
  get room(): Uint8Array {
    return this.#chunk.subarray(this.#used)
  }

  /** The chunk, if this filled it. */
  *filled(bytes: number): Generator<Uint8Array> {
    this.#used += bytes
    if (this.#used === CHUNK_BYTES) yield this.#take()
  }

  *add(bytes: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; ) {
      const room = this.room
      const part = bytes.subarray(at, at + room.length)
      room.set(part)
      at += part.length
      yield* this.filled(part.length)
    }
  }

  *addZeros(length: number): Generator<Uint8Array> {
    for (let left = length; left > 0; ) {
      const room = this.room.subarray(0, left)
      room.fill(0)
      left -= room.length
      yield* this.filled(room.length)
    }
  }

  /** What is left in the end. */
  *rest(): Generator<Uint8Array> {
    if (this.#used > 0) yield this.#take()
  }

  #take(): Uint8Array {
    const chunk = this.#chunk.subarray(0, this.#used)
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    this.#used = 0
    return chunk
  }
}
