import type { Digest } from '../ids.ts'

/** Counts what is done with each layer just now. */
export class Uses {
  readonly #counts = new Map<Digest, number>()

  /** How many uses of a layer have begun and not ended. */
  count(key: Digest): number {
    return this.#counts.get(key) ?? 0
  }

  begin(key: Digest): void {
    this.#counts.set(key, this.count(key) + 1)
  }

  end(key: Digest): void {
    const left = this.count(key) - 1
    if (left > 0) this.#counts.set(key, left)
    else this.#counts.delete(key)
  }
}
