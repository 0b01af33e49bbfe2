import { LayerError } from '../errors.ts'
import type { Digest } from '../ids.ts'
import type { MetadataStore } from '../metadata.ts'
import { KeyedMutex } from './keyed-mutex.ts'

/** The identity of one reference; each handle that a user has carries one. */
export type ReferenceToken = symbol

/**
 * The references that users of this opened store have on layers, counted; and for each layer that
 * has any, one hold in the metadata, so that other processes know.
 */
export class References {
  readonly #metadata: MetadataStore
  readonly #tokens = new Map<Digest, Set<ReferenceToken>>()
  readonly #order = new KeyedMutex()

  constructor(metadata: MetadataStore) {
    this.#metadata = metadata
  }

  /**
   * A new reference, or one that was dropped for a removal that failed. Call it under the lock, the
   * layer being there.
   */
  async take(key: Digest, token: ReferenceToken = Symbol(key)): Promise<ReferenceToken> {
    await this.#order.run(key, async () => {
      const tokens = this.#tokens.get(key)
      if (tokens) {
        tokens.add(token)
        return
      }
      await this.#metadata.hold(key)
      this.#tokens.set(key, new Set([token]))
    })
    return token
  }

  /** Whether a reference is still good. */
  has(key: Digest, token: ReferenceToken): boolean {
    return this.#tokens.get(key)?.has(token) ?? false
  }

  /** How many references there are. */
  count(key: Digest): number {
    return this.#tokens.get(key)?.size ?? 0
  }

  /** Gives a reference back, if it is still good. */
  async drop(key: Digest, token: ReferenceToken): Promise<void> {
    await this.#order.run(key, async () => {
      const tokens = this.#tokens.get(key)
      if (!tokens?.has(token)) return
      if (tokens.size === 1) {
        await this.#metadata.unhold(key)
        this.#tokens.delete(key)
      } else {
        tokens.delete(token)
      }
    })
  }

  /** No reference is good any more: the metadata store, when closed, lets go of all holds. */
  close(): void {
    this.#tokens.clear()
  }
}

/** `ERR_LAYER_NOT_RETAINED` for a reference that was given back already. */
export function notRetained(attempt: string, subject: string): LayerError {
  return new LayerError(
    'ERR_LAYER_NOT_RETAINED',
    `${attempt}: this reference was given back before`,
    { data: { subject } },
  )
}
