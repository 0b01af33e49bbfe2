import { checkAborted, LayerError } from '@varve/core'

interface Waiter {
  readonly mode: 'shared' | 'exclusive'
  readonly owner: number
  readonly start: () => void
}

/** A fair lock for many readers or one writer, whose owners may vanish without unlocking. */
export class OwnedLock {
  readonly #held = new Map<symbol, { mode: 'shared' | 'exclusive'; owner: number }>()
  #queue: Waiter[] = []

  async run<T>(
    owner: number,
    mode: 'shared' | 'exclusive',
    fn: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const ticket = await this.#acquire(owner, mode, signal)
    try {
      return await fn()
    } finally {
      this.#held.delete(ticket)
      this.#advance()
    }
  }

  /** Frees what `owner` holds and waits for, as the kernel does for a dead process. */
  drop(owner: number): void {
    for (const [ticket, held] of this.#held) if (held.owner === owner) this.#held.delete(ticket)
    this.#queue = this.#queue.filter((waiter) => waiter.owner !== owner)
    this.#advance()
  }

  #acquire(
    owner: number,
    mode: 'shared' | 'exclusive',
    signal: AbortSignal | undefined,
  ): Promise<symbol> {
    const attempt = 'Cannot lock the metadata'
    return new Promise((resolve, reject) => {
      checkAborted(signal, attempt)
      const ticket = Symbol(mode)
      const waiter: Waiter = {
        mode,
        owner,
        start: () => {
          signal?.removeEventListener('abort', giveUp)
          this.#held.set(ticket, { mode, owner })
          resolve(ticket)
        },
      }
      const giveUp = () => {
        this.#queue = this.#queue.filter((other) => other !== waiter)
        reject(new LayerError('ERR_ABORTED', `${attempt}: interrupted`, { cause: signal?.reason }))
        this.#advance()
      }
      signal?.addEventListener('abort', giveUp, { once: true })
      this.#queue.push(waiter)
      this.#advance()
    })
  }

  #advance(): void {
    for (;;) {
      const next = this.#queue[0]
      if (!next) return
      const modes = [...this.#held.values()].map((held) => held.mode)
      const free = next.mode === 'shared' ? !modes.includes('exclusive') : modes.length === 0
      if (!free) return
      this.#queue.shift()
      next.start()
    }
  }
}
