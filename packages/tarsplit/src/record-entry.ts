import type { LayerError } from '@varve/core/errors'
import { type Base64Decoder, decodeBase64 } from './base64.ts'
import { corruptRecord } from './faults.ts'
import { isPlain, parseInteger, parseJson, stringContent } from './json-bytes.ts'

/** A piece of a segment; `bytes` is valid until the next call of the reader. */
export interface SegmentItem {
  readonly type: 'segment'
  readonly bytes: Uint8Array
}

/** A file entry. */
export interface FileItem {
  readonly type: 'file'
  /** Raw bytes of the name. */
  readonly name: Uint8Array
  /** As it is in the record: may be negative or beyond 2⁵³. */
  readonly size: bigint
  /** 8 bytes, or none. */
  readonly checksum: Uint8Array | undefined
}

/** The keys of tar-split's `storage.Entry`. */
const KEYS = ['type', 'name', 'name_raw', 'size', 'payload', 'position'] as const
export type Key = (typeof KEYS)[number]

const NOTHING: Uint8Array = new Uint8Array(0)

/** One entry of a record while its keys are read; each value is checked when it comes. */
export class RecordEntry {
  readonly #index: number
  readonly #decoder: Base64Decoder
  #type: bigint | undefined
  #name = NOTHING
  #nameRaw = NOTHING
  #size = 0n
  /** Absent until it is met; `null` stands for no payload. */
  #payload: Uint8Array | null | undefined
  /** Whether the payload is handed out piece by piece. */
  #streamed = false

  /** @param decoder one that is idle whenever this is called */
  constructor(index: number, decoder: Base64Decoder) {
    this.#index = index
    this.#decoder = decoder
  }

  /** Whether it is known to be a segment, whose payload may be of any length. */
  get isSegment(): boolean {
    return this.#type === 2n
  }

  /** Takes a value, all of its text. @throws LayerError `ERR_CORRUPT_RECORD` */
  set(key: Key | undefined, value: Uint8Array): void {
    const isNull = value.length === 4 && value[0] === 0x6e
    if (key === 'type') {
      this.#type = isNull ? this.#type : this.#integer(value)
    } else if (key === 'name') {
      if (!isNull) this.#name = this.#string(value)
    } else if (key === 'name_raw') {
      this.#nameRaw = isNull ? NOTHING : this.#base64(value)
    } else if (key === 'size') {
      this.#size = isNull ? this.#size : this.#integer(value)
    } else if (key === 'payload') {
      if (this.#streamed) throw this.#corrupt('has two payloads')
      this.#payload = isNull ? null : this.#base64(value)
    } else if (key === 'position') {
      if (!isNull) this.#integer(value)
    } else {
      parseJson(decode(value))
    }
  }

  /** Notes that the payload is handed out piece by piece. @throws LayerError `ERR_CORRUPT_RECORD` */
  stream(): void {
    if (this.#payload !== undefined || this.#streamed) throw this.#corrupt('has two payloads')
    this.#streamed = true
  }

  /** The finished entry as an item; nothing for a segment that is empty or was handed out. */
  item(): SegmentItem | FileItem | undefined {
    const [name, size, payload] = [this.#name, this.#size, this.#payload]
    const isNamed = name.length > 0 || this.#nameRaw.length > 0
    // No packer writes these; a file entry with a damaged type would look so.
    if (this.isSegment && (isNamed || size !== 0n)) {
      throw this.#corrupt('is a segment with a name or size')
    }
    if (this.isSegment && this.#streamed) return undefined
    if (payload === undefined) throw this.#corrupt('has no payload')
    if (this.isSegment) return payload?.length ? { type: 'segment', bytes: payload } : undefined
    if (this.#type !== 1n || this.#streamed) {
      throw this.#corrupt(`is of the unknown type ${this.#type}`)
    }
    const checksum = payload?.length ? payload : undefined
    // Checked also where there is nothing to read, so that a lost size does not go unnoticed.
    const fits = checksum ? checksum.length === 8 && size > 0n : size <= 0n
    if (!fits) throw this.#corrupt('has a size and no checksum, or the reverse')
    return {
      type: 'file',
      name: this.#nameRaw.length > 0 ? this.#nameRaw : name,
      size,
      checksum,
    }
  }

  #integer(value: Uint8Array): bigint {
    const integer = parseInteger(value)
    if (integer === undefined) throw this.#corrupt('holds a malformed number')
    return integer
  }

  #string(value: Uint8Array): Uint8Array {
    if (value[0] !== 0x22) throw this.#corrupt('holds something else where a string should be')
    return stringContent(value.subarray(1, -1))
  }

  #base64(value: Uint8Array): Uint8Array {
    const isBare = value[0] === 0x22 && isPlain(value)
    const bytes = decodeBase64(isBare ? value.subarray(1, -1) : this.#string(value), this.#decoder)
    if (!bytes) throw this.#corrupt('holds malformed base64')
    return bytes
  }

  #corrupt(why: string): LayerError {
    return corruptEntry(this.#index, why)
  }
}

/** The error for an entry that is not what a packer writes. */
export function corruptEntry(index: number, why: string): LayerError {
  return corruptRecord(`entry ${index} ${why}`, { entry: index })
}

/** Which key that is, in any case: `encoding/json` even takes `ſize` for `size`. */
export function keyOf(text: Uint8Array): Key | undefined {
  if (isPlain(text)) return KEYS.find((key) => isKey(text, key))
  const folded = decode(stringContent(text)).toUpperCase()
  return KEYS.find((key) => key.toUpperCase() === folded)
}

function isKey(text: Uint8Array, key: Key): boolean {
  if (text.length !== key.length) return false
  for (let i = 0; i < key.length; i++) {
    const char = key.charCodeAt(i)
    const byte = text[i] as number
    if (byte !== char && (char < 0x61 || byte !== char - 0x20)) return false
  }
  return true
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}
