/** Times of single steps, in milliseconds. */

/** What was seen under each name: times, or that it fails. */
export class Samples {
  readonly #seen = new Map<string, number[] | 'fails'>()

  /** One more time. */
  note(name: string, ms: number): void {
    const known = this.#seen.get(name)
    this.#seen.set(name, typeof known === 'object' ? [...known, ms] : [ms])
  }

  /** It cannot be done. */
  fails(name: string): void {
    this.#seen.set(name, 'fails')
  }

  failed(name: string): boolean {
    return this.#seen.get(name) === 'fails'
  }

  get(name: string): readonly number[] | 'fails' | undefined {
    return this.#seen.get(name)
  }
}

/** How long a call takes, and what it gives. */
export async function timed<T>(call: () => Promise<T> | T): Promise<{ ms: number; value: T }> {
  const started = performance.now()
  const value = await call()
  return { ms: performance.now() - started, value }
}
