import type { ByteSource } from '@varve/core'
import { concat } from '../../tar/bytes.ts'

/** Passes a source on and keeps a copy; what the reader leaves can be read afterwards. */
export class Tee implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #chunks: Uint8Array[] = []

  constructor(source: ByteSource) {
    this.#source = (async function* () {
      yield* source
    })()
  }

  // Without `return`, a reader that stops early does not end the source.
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        const step = await this.#source.next()
        if (!step.done) this.#chunks.push(step.value.slice())
        return step
      },
    }
  }

  /** Every byte of the source, those behind the archive's end included. */
  async all(): Promise<Uint8Array> {
    for await (const _ of this);
    return concat(this.#chunks)
  }
}
