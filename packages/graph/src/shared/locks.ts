import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type CallOptions, LayerError, wrapError } from '@varve/core'
import type { FileLock, Sys } from '@varve/sys'
import { errnoOf, isThere } from '../disk/files.ts'
import { assertID, type Layout } from '../disk/layout.ts'

/** An image's lock, until disposed of. */
export type ImageLock = AsyncDisposable

/**
 * Who may do what, among the calls of this process and all others: one lock for each image, held
 * as long as it is made or removed, and one for the graph, held for the moments in which something
 * appears or goes. The image's is taken first.
 */
export class Locks {
  readonly #sys: Sys
  readonly #layout: Layout
  readonly #readOnly: boolean

  constructor(sys: Sys, layout: Layout, readOnly: boolean) {
    this.#sys = sys
    this.#layout = layout
    this.#readOnly = readOnly
  }

  /** Waits for an image's lock. @throws LayerError `ERR_ABORTED`, `ERR_IO` */
  async image(id: string, { signal }: CallOptions = {}): Promise<ImageLock> {
    const path = this.#path(id)
    return unlinked(await this.#lock(path, 'exclusive', signal), path)
  }

  /** An image's lock, unless somebody has it. */
  tryImage(id: string): ImageLock | undefined {
    const path = this.#path(id)
    const lock = this.#sys.tryLockFile(path, 'exclusive')
    return lock && unlinked(lock, path)
  }

  /** Runs a step with the graph's lock. Not re-entrant. */
  async graph<T>(
    mode: FileLock['mode'],
    step: () => Promise<T>,
    { signal }: CallOptions = {},
  ): Promise<T> {
    const path = this.#layout.lock
    // Whoever only reads keeps writers out where there is a lock, and reads all the same elsewhere.
    if (this.#readOnly && !isThere(path)) return await step()
    await using _ = await this.#lock(path, mode, signal)
    return await step()
  }

  #path(id: string): string {
    return join(this.#layout.imageLocks, assertID(id))
  }

  async #lock(
    path: string,
    mode: FileLock['mode'],
    signal: AbortSignal | undefined,
  ): Promise<FileLock> {
    try {
      return await this.#sys.lockFile(path, { mode, ...(signal ? { signal } : {}) })
    } catch (error) {
      const attempt = 'Cannot lock the image graph'
      if (!signal?.aborted) throw wrapError(error, attempt)
      throw new LayerError('ERR_ABORTED', `${attempt}: interrupted`, { cause: error })
    }
  }
}

/** There are as many images as there are; their lock files go before they are freed. */
function unlinked(lock: FileLock, path: string): ImageLock {
  let held = true
  return {
    async [Symbol.asyncDispose]() {
      if (!held) return
      held = false
      try {
        unlinkSync(path)
      } catch (error) {
        // Windows keeps a file that another one waits for.
        if (!['ENOENT', 'EBUSY', 'EPERM'].includes(errnoOf(error) ?? '')) throw error
      } finally {
        lock[Symbol.dispose]()
      }
    },
  }
}
