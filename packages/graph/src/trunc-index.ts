import { LayerError } from '@varve/core'

/** Ids that are found by any beginning that no other of them shares (Docker's `pkg/truncindex`). */
export interface TruncIndex extends Iterable<string> {
  readonly size: number
  has(id: string): boolean
  /** @throws LayerError `ERR_INVALID_ARGUMENT` for an id that is empty, has white space or is there */
  add(id: string): void
  /** @param id the whole id @throws LayerError `ERR_IMAGE_NOT_FOUND` */
  delete(id: string): void
  /**
   * The only id that begins so, or the very id itself.
   *
   * @throws LayerError `ERR_INVALID_ARGUMENT` for an empty text, `ERR_IMAGE_NOT_FOUND`,
   *   `ERR_AMBIGUOUS_ID`
   */
  get(prefix: string): string
  /** Every id, sorted, as they are when this is called: the index may change meanwhile. */
  [Symbol.iterator](): IterableIterator<string>
}

/**
 * An index of these ids.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` as `add`
 *
 * @example
 * ```ts
 * import { truncIndex } from '@varve/graph'
 *
 * const index = truncIndex(['19b36c2c326c', '19b36c2cdead'])
 * console.assert(index.get('19b36c2c3') === '19b36c2c326c')
 * index.delete('19b36c2c326c')
 * console.assert(index.get('19') === '19b36c2cdead')
 * ```
 */
export function truncIndex(ids: Iterable<string> = []): TruncIndex {
  const sorted = [...ids].sort()
  for (const [at, id] of sorted.entries()) {
    assertUsable(id)
    if (sorted[at + 1] === id) throw twice(id)
  }
  return new SortedIndex(sorted)
}

/** Sorted, so that what begins alike stands together. */
class SortedIndex implements TruncIndex {
  readonly #ids: string[]

  constructor(sorted: string[]) {
    this.#ids = sorted
  }

  get size(): number {
    return this.#ids.length
  }

  has(id: string): boolean {
    return this.#ids[this.#place(id)] === id
  }

  add(id: string): void {
    assertUsable(id)
    const at = this.#place(id)
    if (this.#ids[at] === id) throw twice(id)
    this.#ids.splice(at, 0, id)
  }

  delete(id: string): void {
    if (!this.has(id)) throw unknown(id)
    this.#ids.splice(this.#place(id), 1)
  }

  get(prefix: string): string {
    if (prefix === '') {
      throw new LayerError('ERR_INVALID_ARGUMENT', 'Cannot find an image by an empty id')
    }
    const at = this.#place(prefix)
    const [first, second] = this.#ids.slice(at, at + 2)
    if (!first?.startsWith(prefix)) throw unknown(prefix)
    if (first === prefix || !second?.startsWith(prefix)) return first
    throw new LayerError(
      'ERR_AMBIGUOUS_ID',
      `Cannot find image ${prefix}: several images begin so`,
      { data: { id: prefix, found: [first, second] }, hint: 'Give more of the id' },
    )
  }

  [Symbol.iterator](): IterableIterator<string> {
    return this.#ids.slice().values()
  }

  /** Where an id is, or would be put. */
  #place(id: string): number {
    let low = 0
    let high = this.#ids.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ids[middle] as string) < id) low = middle + 1
      else high = middle
    }
    return low
  }
}

function assertUsable(id: string): void {
  if (id !== '' && !/\s/.test(id)) return
  throw new LayerError(
    'ERR_INVALID_ARGUMENT',
    `Cannot index ${JSON.stringify(id)}: an id is not empty and has no white space`,
  )
}

function twice(id: string): LayerError {
  return new LayerError('ERR_INVALID_ARGUMENT', `Cannot index ${id}: it is there already`, {
    data: { id },
  })
}

function unknown(id: string): LayerError {
  return new LayerError('ERR_IMAGE_NOT_FOUND', `Cannot find image ${id}: there is none`, {
    data: { id },
  })
}
