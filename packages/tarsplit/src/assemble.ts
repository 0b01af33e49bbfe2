import type { ByteSource, CallOptions, FileGetter } from '@varve/core'
import { type Crc64, crc64 } from './crc64.ts'
import { checkSignal, corruptPayload } from './faults.ts'
import { type FileItem, RecordReader } from './record-reader.ts'

/** Chunks come out at least this long, the last one aside. */
const CHUNK = 1 << 16

const BLOCK_SIZE = 512

/** See `TarSplitCodec.assemble`. */
export async function* assemble(
  record: ByteSource,
  files: FileGetter,
  options: CallOptions = {},
): AsyncGenerator<Uint8Array> {
  const reader = new RecordReader()
  const output = new Output()
  const header = new LastBlock()
  const crc = crc64()
  let done = 0
  for await (const text of record) {
    checkSignal(options.signal, 'Cannot assemble tar')
    reader.feed(text)
    for (let item = reader.next(); item; item = reader.next()) {
      if (item.type === 'segment') {
        header.see(item.bytes)
        done += item.bytes.length
        for (const chunk of output.add(item.bytes)) yield chunk
      } else if (hasPayload(item, header)) {
        for await (const bytes of checkedPayload(item, files, crc)) {
          done += bytes.length
          for (const chunk of output.add(bytes)) yield chunk
        }
      }
    }
    options.onProgress?.({ phase: 'assemble', id: 'tar', done })
  }
  reader.finish()
  for (const chunk of output.rest()) yield chunk
}

/** A file's bytes, which come with an error at their end if they are not those of the record. */
async function* checkedPayload(
  item: FileItem,
  files: FileGetter,
  crc: Crc64,
): AsyncGenerator<Uint8Array> {
  const size = Number(item.size)
  let left = size
  crc.reset()
  for await (const bytes of files.open(item.name, size)) {
    left -= bytes.length
    if (left < 0) throw corruptPayload(item.name, `is longer than the ${size} bytes it had`)
    crc.update(bytes)
    yield bytes
  }
  if (left > 0) throw corruptPayload(item.name, `is ${left} bytes shorter than the ${size} it had`)
  const sum = crc.digest()
  if (!item.checksum?.every((byte, i) => byte === sum[i])) {
    throw corruptPayload(item.name, 'has other content than when it was recorded')
  }
}

/**
 * Whether a payload follows. Go's packer writes the size that a header claims also for links,
 * directories and devices, which have no payload: with the checksum of nothing or, if negative,
 * with none. (Go's own assembler then opens the link or device.)
 */
function hasPayload(item: FileItem, header: LastBlock): boolean {
  if (item.size <= 0n) return false
  return !item.checksum?.every((byte) => byte === 0) || !header.isHeaderOnly(item.name)
}

/** The last block of the segments so far, which before a file entry is that file's tar header. */
class LastBlock {
  readonly #bytes = new Uint8Array(BLOCK_SIZE)

  see(bytes: Uint8Array): void {
    const taken = Math.min(bytes.length, BLOCK_SIZE)
    this.#bytes.copyWithin(0, taken)
    this.#bytes.set(bytes.subarray(bytes.length - taken), BLOCK_SIZE - taken)
  }

  /** Whether it says that no payload follows: typeflags `1` to `6`, and old directories. */
  isHeaderOnly(name: Uint8Array): boolean {
    const typeflag = this.#bytes[156] as number
    return (typeflag >= 0x31 && typeflag <= 0x36) || (typeflag === 0 && name.at(-1) === 0x2f)
  }
}

/** Gathers small pieces into chunks, and lets large ones through uncopied. */
class Output {
  #chunk = new Uint8Array(2 * CHUNK)
  #length = 0

  /** Adds bytes; returns the chunks that are to be passed on before more is added. */
  add(bytes: Uint8Array): readonly Uint8Array[] {
    const large = bytes.length >= CHUNK
    if (large && this.#length === 0) return [bytes]
    if (large || this.#length + bytes.length > this.#chunk.length) {
      const full = this.rest()
      this.#chunk = new Uint8Array(2 * CHUNK)
      if (large) return [...full, bytes]
      this.#put(bytes)
      return full
    }
    this.#put(bytes)
    return NONE
  }

  #put(bytes: Uint8Array): void {
    this.#chunk.set(bytes, this.#length)
    this.#length += bytes.length
  }

  rest(): readonly Uint8Array[] {
    if (this.#length === 0) return NONE
    const chunk = this.#chunk.subarray(0, this.#length)
    this.#length = 0
    return [chunk]
  }
}

const NONE: readonly Uint8Array[] = []
