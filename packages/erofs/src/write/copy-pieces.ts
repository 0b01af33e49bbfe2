import { chunksToCopy, type PendingCopy } from '../apply/sparse.ts'
import type { ImageFile } from '../storage.ts'
import { addExtent, type Extent } from '../tree/files.ts'

const BLOCK = 512
const COPY_BYTES = 2 ** 20

/**
 * Copies the pieces of a sparse file that do not lie in whole blocks behind the tar, in chunks; what
 * is between them in a chunk is never written, and so is zero.
 *
 * @param tarStart where the tar begins, in bytes
 * @param address the first block to use
 * @returns the file's pieces now, and the first block that is free
 */
export async function copyPieces(
  file: ImageFile,
  pending: PendingCopy,
  tarStart: number,
  address: number,
): Promise<{ readonly extents: readonly Extent[]; readonly end: number }> {
  const { chunk, chunks } = chunksToCopy(pending)
  const place = new Map(chunks.map((index, i) => [index, address * BLOCK + i * chunk]))
  let from = tarStart + pending.payload
  for (const { offset, length } of pending.regions) {
    let done = 0
    while (done < length) {
      const inChunk = (offset + done) % chunk
      const to = (place.get(Math.floor((offset + done) / chunk)) ?? 0) + inChunk
      const bytes = Math.min(length - done, chunk - inChunk, COPY_BYTES)
      await file.write(to, await file.read(from, bytes))
      from += bytes
      done += bytes
    }
  }
  const blocks = chunk / BLOCK
  const whole = Math.ceil(pending.size / BLOCK)
  const extents: Extent[] = []
  for (const [i, index] of chunks.entries()) {
    const first = index * blocks
    const length = Math.min(blocks, whole - first)
    addExtent(extents, { from: first, blocks: length, at: address + i * blocks })
  }
  return { extents, end: address + chunks.length * blocks }
}
