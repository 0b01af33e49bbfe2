import { type CallOptions, LayerError, wrapError } from '@varve/core'
import type { FileLock, Sys } from '@varve/sys'
import { FairLock, type LockMode } from './fair-lock.ts'
import { errnoOf, isThere } from './files.ts'

const ATTEMPT = 'Cannot lock the layer metadata'
const UNWRITABLE: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOENT'])

/**
 * The store's lock: a queue among the calls of this instance, then a lock on a file among
 * instances and processes. Not re-entrant.
 */
export class StoreLock {
  readonly #sys: Sys
  readonly #path: string
  readonly #readOnly: boolean
  readonly #queue = new FairLock()
  #shared = 0
  #exclusive = false

  constructor(sys: Sys, path: string, readOnly: boolean) {
    this.#sys = sys
    this.#path = path
    this.#readOnly = readOnly
  }

  async run<T>(mode: LockMode, fn: () => Promise<T>, options: CallOptions = {}): Promise<T> {
    const free = await this.#enqueue(mode, options)
    try {
      await using _ = await this.#lockFile(mode, options)
      this.#note(mode, 1)
      try {
        return await fn()
      } finally {
        this.#note(mode, -1)
      }
    } finally {
      free()
    }
  }

  /** A call that must be made under the lock was not: a mistake of the program. */
  assertHeld(mode: LockMode, attempt: string): void {
    if (this.#exclusive || (mode === 'shared' && this.#shared > 0)) return
    throw new LayerError('ERR_INTERNAL', `${attempt}: the ${mode} lock is not held`)
  }

  async #enqueue(mode: LockMode, { signal }: CallOptions): Promise<() => void> {
    try {
      return await this.#queue.acquire(mode, signal)
    } catch (error) {
      throw new LayerError('ERR_ABORTED', `${ATTEMPT}: interrupted`, { cause: error })
    }
  }

  async #lockFile(mode: LockMode, { signal }: CallOptions): Promise<FileLock | undefined> {
    try {
      if (this.#readOnly) return await this.#lockToRead(signal)
      return await this.#sys.lockFile(this.#path, { mode, ...(signal ? { signal } : {}) })
    } catch (error) {
      if (signal?.aborted) {
        throw new LayerError('ERR_ABORTED', `${ATTEMPT}: interrupted`, { cause: error })
      }
      throw wrapError(error, ATTEMPT)
    }
  }

  /**
   * A reader keeps writers out where it can. Where it may not, or there is no lock because only
   * Docker wrote here, it reads all the same: each record appears and goes by one rename.
   */
  async #lockToRead(signal: AbortSignal | undefined): Promise<FileLock | undefined> {
    if (!isThere(this.#path)) return undefined
    try {
      return await this.#sys.lockFile(this.#path, {
        mode: 'shared',
        ...(signal ? { signal } : {}),
      })
    } catch (error) {
      if (UNWRITABLE.has(errnoOf(error) ?? '')) return undefined
      throw error
    }
  }

  #note(mode: LockMode, by: 1 | -1): void {
    if (mode === 'shared') this.#shared += by
    else this.#exclusive = by === 1
  }
}
