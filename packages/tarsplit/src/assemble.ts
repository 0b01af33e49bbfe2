import type { ByteSource, CallOptions, FileGetter } from '@varve/core'
import type { LayerError } from '@varve/core/errors'
import { crc64 } from './crc64.ts'
import { checkSignal, corruptPayload } from './faults.ts'
import type { FileItem } from './record-entry.ts'
import { RecordReader } from './record-reader.ts'

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
  const payload = new PayloadCheck()
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
        payload.begin(item)
        for await (const bytes of files.open(item.name, payload.size)) {
          payload.take(bytes)
          done += bytes.length
          for (const chunk of output.add(bytes)) yield chunk
        }
        payload.end()
      }
    }
    options.onProgress?.({ phase: 'assemble', id: 'tar', done })
  }
  reader.finish()
  for (const chunk of output.rest()) yield chunk
}

/** Compares payloads with what the record says of them. */
class PayloadCheck {
  size = 0
  #item: FileItem | undefined
  #left = 0
  readonly #crc = crc64()

  begin(item: FileItem): void {
    this.#item = item
    this.size = Number(item.size)
    this.#left = this.size
    this.#crc.reset()
  }

  /** Sees some of the payload, before it is passed on. @throws LayerError `ERR_CORRUPT_LAYER` */
  take(bytes: Uint8Array): void {
    this.#left -= bytes.length
    if (this.#left < 0) throw this.#corrupt(`is longer than the ${this.size} bytes it had`)
    this.#crc.update(bytes)
  }

  /** @throws LayerError `ERR_CORRUPT_LAYER` */
  end(): void {
    if (this.#left > 0) {
      throw this.#corrupt(`is ${this.#left} bytes shorter than the ${this.size} it had`)
    }
    if (!this.#crc.matches(this.#item?.checksum ?? NOTHING)) {
      throw this.#corrupt('has other content than when it was recorded')
    }
  }

  #corrupt(why: string): LayerError {
    return corruptPayload(this.#item?.name ?? NOTHING, why)
  }
}

const NOTHING = new Uint8Array(0)

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
