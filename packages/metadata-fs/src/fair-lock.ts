/** With other readers, or alone. */
export type LockMode = 'shared' | 'exclusive'

interface Waiter {
  readonly mode: LockMode
  readonly start: () => void
}

/**
 * A lock among the calls of one store, first come, first served: readers that arrive after a
 * waiting writer wait too, so that no one starves.
 */
export class FairLock {
  #readers = 0
  #writer = false
  readonly #waiting: Waiter[] = []

  /** Waits for its turn; `free` what it gives, once. Throws the signal's reason. */
  async acquire(mode: LockMode, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        mode,
        start: () => {
          signal?.removeEventListener('abort', giveUp)
          resolve()
        },
      }
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        this.#admit()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', giveUp, { once: true })
      this.#waiting.push(waiter)
      this.#admit()
    })
    return () => {
      if (mode === 'shared') this.#readers--
      else this.#writer = false
      this.#admit()
    }
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (this.#writer || (next.mode === 'exclusive' && this.#readers > 0)) return
      if (next.mode === 'shared') this.#readers++
      else this.#writer = true
      this.#waiting.shift()
      next.start()
    }
  }
}
