import { type ByteSource, LayerError } from '@varve/core'
import { concat } from './bytes.ts'

/** Reads a source in pieces of a wanted length. */
export class PieceReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)

  constructor(source: ByteSource) {
    this.#chunks = (async function* () {
      yield* source
    })()
  }

  /** `length` bytes, or fewer at the end of the source. */
  async upTo(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let missing = length
    while (missing > 0) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#chunks.next()
        if (done) break
        this.#rest = value
        continue
      }
      const part = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(part.length)
      missing -= part.length
      parts.push(part.slice())
    }
    return concat(parts)
  }

  /** `length` bytes. @throws LayerError `ERR_TRUNCATED` */
  async exactly(length: number): Promise<Uint8Array> {
    const bytes = await this.upTo(length)
    if (bytes.length === length) return bytes
    throw new LayerError('ERR_TRUNCATED', 'Cannot read tar: it ends in the middle of an entry')
  }

  /** Reads past `length` bytes without keeping them. @throws LayerError `ERR_TRUNCATED` */
  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; left -= 65_536) await this.exactly(Math.min(left, 65_536))
  }

  /** Tells the source that nothing more is wanted. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }
}
