import { type ByteSource, LayerError } from '@varve/core'
import { createTarScanner, type TarEntry } from '@varve/tar'

type Event =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  | { readonly kind: 'payload'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }

/** A tar read entry by entry, by demand. */
export class TarEntries {
  readonly #iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>
  readonly #scanner = createTarScanner({
    entry: (entry) => this.#events.push({ kind: 'entry', entry }),
    payload: (bytes) => this.#events.push({ kind: 'payload', bytes }),
    entryEnd: () => this.#events.push({ kind: 'end' }),
  })
  #events: Event[] = []
  #at = 0
  #failure: unknown

  constructor(tar: ByteSource) {
    this.#iterator =
      Symbol.asyncIterator in tar ? tar[Symbol.asyncIterator]() : tar[Symbol.iterator]()
  }

  /** The next entry without taking it; what is left of the current payload is passed over. */
  async peek(): Promise<TarEntry | undefined> {
    for (;;) {
      const event = await this.#peek()
      if (event === undefined) return undefined
      if (event.kind === 'entry') return event.entry
      this.#at++
    }
  }

  /** Takes the next entry. */
  async next(): Promise<TarEntry | undefined> {
    const entry = await this.peek()
    if (entry) this.#at++
    return entry
  }

  /** The rest of the current entry's payload; chunks are valid until the next is asked for. */
  async *payload(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const event = await this.#peek()
      if (event === undefined || event.kind === 'entry') return
      this.#at++
      if (event.kind === 'end') return
      yield event.bytes
    }
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    await this.#iterator.return?.()
  }

  async #peek(): Promise<Event | undefined> {
    while (this.#at === this.#events.length) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#scanner.ended) return undefined
      this.#events = []
      this.#at = 0
      const step = await this.#iterator.next()
      try {
        if (step.done) {
          this.#scanner.end()
          return undefined
        }
        this.#scanner.push(step.value)
      } catch (error) {
        // What came before the fault is still to be given out.
        this.#failure = error
      }
    }
    return this.#events[this.#at]
  }
}

/** A name of a tar as text. @throws LayerError `ERR_INVALID_TAR` if it is not UTF-8 */
export function textOfName(name: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(name)
  } catch (cause) {
    const shown = new TextDecoder().decode(name)
    throw new LayerError('ERR_INVALID_TAR', `Cannot use the name “${shown}”: it is not UTF-8`, {
      cause,
      data: { name: shown },
      hint: 'Windows has no names but Unicode ones',
    })
  }
}
