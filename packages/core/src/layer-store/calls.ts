import type { Mount } from '../driver.ts'
import { LayerError } from '../errors.ts'

/**
 * The calls of a store that are under way. Closing waits for them and refuses new ones; streams and
 * listings, which end when their reader likes, go on to the end of the step that they are in.
 */
export class Calls {
  readonly #running = new Set<Promise<unknown>>()
  readonly #listings = new Set<AsyncGenerator<unknown>>()
  #closing = false

  /** Runs a call. @throws LayerError `ERR_CLOSED` */
  async run<T>(attempt: string, call: () => Promise<T>): Promise<T> {
    if (this.#closing) throw new LayerError('ERR_CLOSED', `${attempt}: the store is closed`)
    const running = call()
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  /** Runs what may be needed no more: nothing, once the store is closed. */
  async runIfOpen(call: () => Promise<void>): Promise<void> {
    if (!this.#closing) await this.run('Cannot let go', call)
  }

  /** Runs a call that mounts; closing ends the mount, so that nothing is left to be done for it. */
  async mount(attempt: string, call: () => Promise<Mount>): Promise<Mount> {
    const mount = await this.run(attempt, call)
    const end = () => this.runIfOpen(async () => mount[Symbol.asyncDispose]())
    return { path: mount.path, readOnly: mount.readOnly, [Symbol.asyncDispose]: end }
  }

  /** The same items, each step being a call; never a clean end because of the closing. */
  list<T>(attempt: string, items: AsyncGenerator<T>): AsyncGenerator<T> {
    const listings = this.#listings
    const step = async (call: () => Promise<IteratorResult<T>>) => {
      listings.add(items)
      try {
        const result = await this.run(attempt, call)
        if (result.done) listings.delete(items)
        return result
      } catch (error) {
        listings.delete(items)
        throw error
      }
    }
    return {
      next: () => step(() => items.next()),
      return: async (value) => {
        listings.delete(items)
        return await items.return(value)
      },
      throw: (error) => step(() => items.throw(error)),
      [Symbol.asyncIterator]() {
        return this
      },
      [Symbol.asyncDispose]: async () => {
        listings.delete(items)
        await items.return(undefined)
      },
    }
  }

  /** Lets no new call begin, waits for those that have, and ends the streams between two steps. */
  async close(): Promise<void> {
    this.#closing = true
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
    await Promise.allSettled([...this.#listings].map((items) => items.return(undefined)))
    this.#listings.clear()
  }
}
