import { LayerError } from '@varve/core'

const FRAME_MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const
const RLE = 1
/** RFC 8878 §3.1.1.2.4, `Block_Maximum_Size`. */
export const LARGEST_BLOCK: number = 2 ** 17
const RESERVED = 3

/**
 * Cuts a zstd stream (RFC 8878 §3.1) at the ends of its blocks and leaves out skippable frames.
 *
 * The decoders of the runtimes stop without a word after the first frame in a chunk, and some take
 * a frame that ends early for a good one; layers of many frames are common (zstd:chunked). A chunk
 * that never reaches beyond its frame avoids the first, and walking the block headers finds the
 * second. Deno ends the process for damage that it finds while it makes more room for what one chunk
 * becomes; of a block that is {@link LARGEST_BLOCK} bytes at most.
 *
 * @throws LayerError `ERR_CORRUPT_COMPRESSION` if the stream ends inside a frame or has something
 *   between frames that is none
 */
export async function* splitZstdFrames(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const walker = new FrameWalker()
  for await (const chunk of source) yield* walker.cut(chunk)
  if (!walker.atFrameEnd) throw corrupt('it ends inside a frame')
}

type State =
  | 'magic'
  | 'skip-size'
  | 'descriptor'
  | 'header'
  | 'block'
  | 'body'
  | 'checksum'
  | 'skip'

class FrameWalker {
  #state: State = 'magic'
  /** Header bytes still to be collected, or body bytes still to be passed over. */
  #left = 4
  /** The header bytes collected so far, as a little-endian number. */
  #value = 0
  #shift = 0
  #checksum = false
  #lastBlock = false
  /** The magic number of a frame that began in an earlier chunk, to be given out with the rest. */
  #held: number[] = []

  get atFrameEnd(): boolean {
    return this.#state === 'magic' && this.#left === 4
  }

  /** The parts of a chunk that belong to frames, each within one block. */
  *cut(chunk: Uint8Array): Generator<Uint8Array> {
    let start = 0
    let at = 0
    while (at < chunk.length) {
      if (this.#state === 'body' || this.#state === 'checksum' || this.#state === 'skip') {
        const step = Math.min(this.#left, chunk.length - at)
        at += step
        this.#left -= step
      } else {
        const byte = chunk[at++] as number
        this.#value += byte * 2 ** this.#shift
        this.#shift += 8
        this.#left--
        if (this.#state === 'magic') this.#held.push(byte)
      }
      if (this.#left > 0) continue
      const before = this.#state
      this.#next()
      if (before === 'magic') {
        // Whether these four bytes are passed on was not known until now.
        if (this.#state === 'descriptor') yield Uint8Array.from(this.#held)
        this.#held = []
        start = at
      } else if (before === 'skip-size' || before === 'skip') {
        start = at
      } else if (this.#state === 'magic' || before === 'body') {
        yield chunk.subarray(start, at)
        start = at
      }
    }
    const inFrame = !['magic', 'skip-size', 'skip'].includes(this.#state)
    if (inFrame && start < at) yield chunk.subarray(start, at)
  }

  #expect(state: State, left: number): void {
    this.#state = state
    this.#left = left
    this.#value = 0
    this.#shift = 0
  }

  /** What follows once the present part is complete. */
  #next(): void {
    const value = this.#value
    switch (this.#state) {
      case 'magic':
        if (value === FRAME_MAGIC) this.#expect('descriptor', 1)
        else if ((value & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) this.#expect('skip-size', 4)
        else throw corrupt('there is something between its frames that is no frame')
        break
      case 'skip-size':
        if (value === 0) this.#expect('magic', 4)
        else this.#expect('skip', value)
        break
      case 'descriptor':
        this.#checksum = (value & 0x04) !== 0
        this.#expect('header', headerRest(value))
        break
      case 'header':
        this.#expect('block', 3)
        break
      case 'block':
        this.#beginBlock(value)
        break
      case 'body':
        this.#afterBlock()
        break
      default:
        this.#expect('magic', 4)
    }
  }

  #beginBlock(header: number): void {
    const type = (header >> 1) & 3
    if (type === RESERVED) throw corrupt('it has a block of a reserved type')
    this.#lastBlock = (header & 1) !== 0
    const size = type === RLE ? 1 : header >> 3
    if (size > 0) this.#expect('body', size)
    else this.#afterBlock()
  }

  #afterBlock(): void {
    if (!this.#lastBlock) this.#expect('block', 3)
    else if (this.#checksum) this.#expect('checksum', 4)
    else this.#expect('magic', 4)
  }
}

/** Bytes between a frame's descriptor and its first block; at least one. */
function headerRest(descriptor: number): number {
  const singleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >> 6
  const contentSize = sizeFlag === 0 && singleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0)
  return (singleSegment ? 0 : 1) + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0) + contentSize
}

function corrupt(why: string): LayerError {
  return new LayerError('ERR_CORRUPT_COMPRESSION', `Cannot decompress zstd: ${why}`, {
    hint: 'The blob is damaged or incomplete; fetch it again',
  })
}
