import { type ByteSource, LayerError } from '@varve/core'
import { ByteReader } from './byte-reader.ts'

/** Ids of the parts of a backup stream: `WIN32_STREAM_ID` in the Windows SDK's winbase.h. */
export const STREAM = {
  data: 1,
  extendedAttributes: 2,
  security: 3,
  alternate: 4,
  link: 5,
  property: 6,
  objectID: 7,
  reparse: 8,
  sparseBlock: 9,
  transaction: 10,
} as const

/** `STREAM_SPARSE_ATTRIBUTE` of winbase.h: the content follows as sparse blocks. */
export const SPARSE = 8

/** Longest name of a part in bytes: `UNICODE_STRING` counts its bytes in 16 bits. */
const LONGEST_NAME = 0xffff
const HEADER_BYTES = 20

/** The header of one part of a backup stream, as `BackupRead` gives it. */
export interface PartHeader {
  /** One of {@link STREAM}, or whatever the stream says. */
  readonly id: number
  /** `STREAM_*_ATTRIBUTE` bits. */
  readonly attributes: number
  /** Payload in bytes; without the offset that a sparse block begins with. */
  readonly size: number
  /** `:name:$DATA` of an alternate stream, else empty. */
  readonly name: string
  /** Where a sparse block belongs in its file, in bytes; 0 for other parts. */
  readonly offset: number
}

/**
 * Reads a backup stream part by part. What of a payload was not read is passed over.
 *
 * Sizes and offsets are as hostile as their source: nothing is allocated by them, and what does not
 * fit in 2⁵³ is refused.
 */
export class BackupReader {
  readonly #bytes: ByteReader
  #left = 0
  #peeked: PartHeader | undefined

  constructor(source: ByteSource) {
    this.#bytes = new ByteReader(source, 'a backup stream')
  }

  /** The next part's header; undefined at the end. @throws LayerError `ERR_TRUNCATED`, `ERR_CORRUPT_LAYER` */
  async next(): Promise<PartHeader | undefined> {
    const header = await this.peek()
    this.#peeked = undefined
    this.#left = header?.size ?? 0
    return header
  }

  /** What `next` will give; the current part's payload is over by then. */
  async peek(): Promise<PartHeader | undefined> {
    if (this.#peeked) return this.#peeked
    for await (const _ of this.data());
    this.#peeked = await this.#header()
    return this.#peeked
  }

  /** The rest of the current part's payload. Chunks are valid until the next is asked for. */
  async *data(): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const part = await this.#bytes.some(this.#left)
      if (part === undefined) throw this.#bytes.truncated()
      this.#left -= part.length
      yield part
    }
  }

  /** The current part's whole payload. @throws LayerError `ERR_LIMIT_EXCEEDED` beyond `limit` bytes */
  async payload(limit: number, what: string): Promise<Uint8Array> {
    const length = this.#left
    if (length > limit) {
      throw new LayerError(
        'ERR_LIMIT_EXCEEDED',
        `Cannot read ${what}: ${length} bytes are more than ${limit}`,
        { data: { length, limit } },
      )
    }
    const bytes = length === 0 ? new Uint8Array(0) : await this.#bytes.exactly(length)
    if (bytes === undefined) throw this.#bytes.truncated()
    this.#left = 0
    return bytes
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    await this.#bytes.close()
  }

  async #header(): Promise<PartHeader | undefined> {
    const fixed = await this.#bytes.exactly(HEADER_BYTES)
    if (fixed === undefined) return undefined
    const view = new DataView(fixed.buffer)
    const id = view.getUint32(0, true)
    const size = view.getBigUint64(8, true)
    const name = await this.#name(view.getUint32(16, true))
    const header = { id, attributes: view.getUint32(4, true), name }
    if (id !== STREAM.sparseBlock) return { ...header, size: this.#number(size), offset: 0 }
    const offset = size < 8n ? undefined : await this.#bytes.exactly(8)
    if (size >= 8n && offset === undefined) throw this.#bytes.truncated()
    if (offset === undefined) throw this.#corrupt('a sparse block has no offset')
    return {
      ...header,
      size: this.#number(size - 8n),
      offset: this.#number(new DataView(offset.buffer).getBigUint64(0, true)),
    }
  }

  async #name(length: number): Promise<string> {
    if (length < 2) return ''
    if (length > LONGEST_NAME) throw this.#corrupt(`a name is ${length} bytes long`)
    // go-winio reads whole characters, and leaves the odd byte to the payload.
    const bytes = await this.#bytes.exactly(length & ~1)
    if (bytes === undefined) throw this.#bytes.truncated()
    return utf16Text(bytes)
  }

  #number(value: bigint): number {
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
    throw this.#corrupt(`a size or offset of ${value} bytes is beyond all files`)
  }

  #corrupt(why: string): LayerError {
    const { offset } = this.#bytes
    return new LayerError('ERR_CORRUPT_LAYER', `Cannot read a backup stream: ${why}`, {
      data: { offset },
    })
  }
}

/** UTF-16LE up to the first NUL. */
export function utf16Text(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const unit = (bytes[at] as number) | ((bytes[at + 1] as number) << 8)
    if (unit === 0) break
    text += String.fromCharCode(unit)
  }
  return text
}

/** UTF-16LE, without a NUL. */
export function utf16Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2)
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    bytes[i * 2] = unit & 0xff
    bytes[i * 2 + 1] = unit >> 8
  }
  return bytes
}

/** What {@link encodePartHeader} writes; what is absent is 0 or empty. */
export type PartToWrite = Pick<PartHeader, 'id' | 'size'> & Partial<PartHeader>

/** A part's header as bytes; its payload follows. */
export function encodePartHeader(part: PartToWrite): Uint8Array {
  const name = utf16Bytes(part.name ?? '')
  const isBlock = part.id === STREAM.sparseBlock
  const bytes = new Uint8Array(HEADER_BYTES + name.length + (isBlock ? 8 : 0))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, part.id, true)
  view.setUint32(4, part.attributes ?? 0, true)
  view.setBigUint64(8, BigInt(part.size) + (isBlock ? 8n : 0n), true)
  view.setUint32(16, name.length, true)
  bytes.set(name, HEADER_BYTES)
  if (isBlock) view.setBigUint64(HEADER_BYTES + name.length, BigInt(part.offset ?? 0), true)
  return bytes
}
