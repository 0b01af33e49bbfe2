import { corrupt } from '../fault.ts'
import type { ByteRanges } from '../storage.ts'

const PAGE_BITS = 16
const PAGE = 2 ** PAGE_BITS
/** 16 MiB; no step looks at a quarter of that. */
const MAX_PAGES = 256

/** Thrown by `bytes` for a page that has to be read first. */
class Missing {
  readonly page: number

  constructor(page: number) {
    this.page = page
  }
}

/**
 * Pages of a source that were read lately. Steps look at them synchronously; one that meets a page
 * that is not there is made again once it has been read, so it must change nothing.
 */
export class Pages {
  readonly #source: ByteRanges
  /** The one used longest ago first. */
  readonly #pages = new Map<number, Uint8Array>()

  constructor(source: ByteRanges) {
    this.#source = source
  }

  /** What a step gives, with every page that it needs. */
  async run<T>(step: () => T): Promise<T> {
    for (;;) {
      try {
        return step()
      } catch (error) {
        if (!(error instanceof Missing)) throw error
        await this.#load(error.page)
      }
    }
  }

  /** For steps. Fewer bytes than asked for at the end of the source. */
  bytes(position: number, length: number): Uint8Array {
    const end = Math.min(position + length, this.#source.size)
    if (position >= end) return new Uint8Array(0)
    const first = Math.floor(position / PAGE)
    const last = Math.floor((end - 1) / PAGE)
    const at = position - first * PAGE
    if (first === last) return this.#page(first).subarray(at, at + end - position)
    const bytes = new Uint8Array(end - position)
    for (let page = first; page <= last; page++) {
      const from = Math.max(position, page * PAGE)
      const to = Math.min(end, (page + 1) * PAGE)
      bytes.set(this.#page(page).subarray(from - page * PAGE, to - page * PAGE), from - position)
    }
    return bytes
  }

  #page(page: number): Uint8Array {
    const bytes = this.#pages.get(page)
    if (!bytes) throw new Missing(page)
    return bytes
  }

  async #load(page: number): Promise<void> {
    const bytes = await this.#source.read(page * PAGE, PAGE)
    if (bytes.length < Math.min(PAGE, this.#source.size - page * PAGE)) {
      throw corrupt('it is shorter than it was')
    }
    if (this.#pages.size >= MAX_PAGES) {
      for (const oldest of this.#pages.keys()) {
        this.#pages.delete(oldest)
        break
      }
    }
    // The source may use its buffer again.
    this.#pages.set(page, new Uint8Array(bytes))
  }
}
