import type { SparseRegion, TarEntry } from '@varve/tar'
import { tooMuch } from '../fault.ts'
import { addExtent, type Extent } from '../tree/files.ts'

/** Chunks of one file: an index of 4 MiB. */
const MAX_CHUNKS = 2 ** 20
/** Chunks that a file is copied in, if it is, are few enough for this. */
const COPY_CHUNKS = 2 ** 12
/** Extents of all files of a layer. */
const MAX_EXTENTS = 2 ** 22
const BLOCK = 512

/** A sparse file whose pieces do not begin and end with blocks: they are copied behind the tar. */
export interface PendingCopy {
  readonly file: number
  readonly size: number
  readonly regions: readonly SparseRegion[]
  /** Where its payload begins in the tar. */
  readonly payload: number
}

/** Counts, over all files of a layer. */
export class ExtentBudget {
  #left = MAX_EXTENTS

  /** @throws LayerError `ERR_LIMIT_EXCEEDED` */
  spend(extents: number): void {
    this.#left -= extents
    if (this.#left < 0) throw tooMuch('pieces of sparse files', MAX_EXTENTS)
  }
}

/**
 * Where a sparse file's blocks are, if those of the tar will do.
 *
 * @param at block at which the payload begins
 */
export function extentsInPlace(entry: TarEntry, at: number): readonly Extent[] | undefined {
  const regions = entry.sparse?.regions ?? []
  const extents: Extent[] = []
  let payload = 0
  for (const { offset, length } of regions) {
    const isLast = offset + length === entry.size
    if (offset % BLOCK !== 0 || payload % BLOCK !== 0) return undefined
    // Behind its end there is padding, which shows unless the file ends there too.
    if (length % BLOCK !== 0 && !isLast) return undefined
    addExtent(extents, {
      from: offset / BLOCK,
      blocks: Math.ceil(length / BLOCK),
      at: at + payload / BLOCK,
    })
    payload += length
  }
  return entry.size / (BLOCK * 2 ** chunkBits(extents, entry.size)) <= MAX_CHUNKS
    ? extents
    : undefined
}

/** How long the chunks of a file can be, in bits of blocks: none may be partly a hole. */
export function chunkBits(extents: readonly Extent[], size: number, blockBytes = BLOCK): number {
  // As long as the file, and no longer than makes sense.
  const whole = Math.ceil(size / blockBytes)
  let bits = Math.min(20, Math.ceil(Math.log2(Math.max(1, whole))))
  for (const { from, blocks } of extents) {
    const fits = (n: number) =>
      from % 2 ** n === 0 && (blocks % 2 ** n === 0 || from + blocks >= whole)
    while (bits > 0 && !fits(bits)) bits--
  }
  return bits
}

/** One chunk's worth of a file that is copied, and the parts of the payload that go into it. */
export interface CopiedChunks {
  /** Bytes of a chunk. */
  readonly chunk: number
  /** Which chunks there are, in ascending order; the others are holes. */
  readonly chunks: readonly number[]
}

/** In which chunks a file is copied. */
export function chunksToCopy({ size, regions }: PendingCopy): CopiedChunks {
  let chunk = 4096
  while (size / chunk > COPY_CHUNKS) chunk *= 2
  const chunks: number[] = []
  for (const { offset, length } of regions) {
    const last = Math.floor((offset + length - 1) / chunk)
    for (let at = Math.floor(offset / chunk); at <= last; at++) {
      if (chunks.at(-1) !== at) chunks.push(at)
    }
  }
  return { chunk, chunks }
}
