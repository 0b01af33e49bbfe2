import { encodeBase64 } from './base64.ts'
import { isUtf8 } from './utf8.ts'

/** Most bytes in one segment; Go's tar-split also stops there, and V8's strings far above it. */
export const SEGMENT_LIMIT = 1 << 20

const BUFFER_SIZE = 1 << 16

/** What one file entry of a record says. */
export interface FileLine {
  /** Raw bytes of the name. */
  readonly name: Uint8Array
  /** Payload in bytes, 0 if there is none to read. */
  readonly size: number | bigint
  /** CRC-64 of the payload, 8 bytes; absent without one. */
  readonly checksum: Uint8Array | undefined
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))
/** `"`, `&`, `<`, `>`, `\\` and the first byte of U+2028 and U+2029. */
const SPECIAL = new Set([0x22, 0x26, 0x3c, 0x3e, 0x5c, 0xe2])
const SEGMENT_START = ascii('{"type":2,"payload":"')

/**
 * Writes a record as Go's `encoding/json` does: one object and a newline per entry, keys in the
 * order of tar-split's `storage.Entry`.
 *
 * Segments are encoded as they come, and go on from one {@link segment} to the next until a file
 * follows or they are 1 MiB long, so a record does not depend on how its tar was cut into chunks.
 */
export class RecordWriter {
  /** Buffers that are full. */
  #full: Uint8Array[] = []
  #buffer = new Uint8Array(BUFFER_SIZE)
  #end = 0
  #position = 0
  /** Length of the open segment in bytes, or -1. */
  #segmentLength = -1
  /** Its last one or two bytes, which base64 cannot encode before a third comes. */
  readonly #carry = new Uint8Array(3)
  #carried = 0

  /** Adds bytes that are no payload of a file. */
  segment(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#segmentLength < 0) {
        this.#put(SEGMENT_START)
        this.#segmentLength = 0
      }
      const taken = Math.min(bytes.length - at, SEGMENT_LIMIT - this.#segmentLength)
      this.#encode(bytes, at, at + taken)
      at += taken
      this.#segmentLength += taken
      if (this.#segmentLength === SEGMENT_LIMIT) this.#closeSegment()
    }
  }

  /** Adds an entry for a header, and for the payload that follows it if there is one. */
  file(line: FileLine): void {
    this.#closeSegment()
    this.#text('{"type":1,')
    if (line.name.length > 0) this.#name(line.name)
    if (line.size > 0) this.#text(`"size":${line.size},`)
    if (line.checksum) {
      this.#text('"payload":"')
      this.#base64(line.checksum)
      this.#closeLine()
    } else {
      this.#text(`"payload":null,"position":${this.#position++}}\n`)
    }
  }

  /** Ends the record. */
  end(): void {
    this.#closeSegment()
  }

  /** What was written since the last call: full buffers only, unless `all` is asked for. */
  take(all = false): readonly Uint8Array[] {
    if (all && this.#end > 0) this.#newBuffer()
    if (this.#full.length === 0) return []
    const full = this.#full
    this.#full = []
    return full
  }

  #closeSegment(): void {
    if (this.#segmentLength < 0) return
    this.#room(4)
    this.#end = encodeBase64(this.#carry, 0, this.#carried, this.#buffer, this.#end)
    this.#carried = 0
    this.#segmentLength = -1
    this.#closeLine()
  }

  #closeLine(): void {
    this.#text(`","position":${this.#position++}}\n`)
  }

  #encode(bytes: Uint8Array, from: number, to: number): void {
    let at = from
    if (this.#carried > 0) {
      while (this.#carried < 3 && at < to) this.#carry[this.#carried++] = bytes[at++] as number
      if (this.#carried < 3) return
      this.#room(4)
      this.#end = encodeBase64(this.#carry, 0, 3, this.#buffer, this.#end)
      this.#carried = 0
    }
    const whole = to - ((to - at) % 3)
    while (at < whole) {
      this.#room(4)
      const fits = Math.floor((BUFFER_SIZE - this.#end) / 4) * 3
      const stop = Math.min(whole, at + fits)
      this.#end = encodeBase64(bytes, at, stop, this.#buffer, this.#end)
      at = stop
    }
    while (at < to) this.#carry[this.#carried++] = bytes[at++] as number
  }

  #name(name: Uint8Array): void {
    if (isUtf8(name)) {
      this.#text('"name":"')
      this.#escaped(name)
      this.#text('",')
    } else {
      this.#text('"name_raw":"')
      this.#base64(name)
      this.#text('",')
    }
  }

  #base64(bytes: Uint8Array): void {
    const text = new Uint8Array(Math.ceil(bytes.length / 3) * 4)
    encodeBase64(bytes, 0, bytes.length, text, 0)
    this.#put(text)
  }

  /** Escapes what Go escapes, U+2028 and U+2029 and what HTML would trip over included. */
  #escaped(name: Uint8Array): void {
    for (let at = 0; at < name.length; at++) {
      const byte = name[at] as number
      const escaped = PLAIN[byte] ? undefined : escapeOf(name, at)
      if (escaped !== undefined) {
        this.#text(escaped)
        if (byte === 0xe2) at += 2
      } else {
        this.#room(1)
        this.#buffer[this.#end++] = byte
      }
    }
  }

  #text(text: string): void {
    this.#room(text.length)
    for (let i = 0; i < text.length; i++) this.#buffer[this.#end++] = text.charCodeAt(i)
  }

  #put(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      this.#room(1)
      const taken = Math.min(bytes.length - at, BUFFER_SIZE - this.#end)
      this.#buffer.set(bytes.subarray(at, at + taken), this.#end)
      this.#end += taken
      at += taken
    }
  }

  /** Makes room for `length` bytes in one buffer. */
  #room(length: number): void {
    if (this.#end + length > BUFFER_SIZE) this.#newBuffer()
  }

  #newBuffer(): void {
    this.#full.push(this.#buffer.subarray(0, this.#end))
    this.#buffer = new Uint8Array(BUFFER_SIZE)
    this.#end = 0
  }
}

/** Bytes that never need an escape. */
const PLAIN = Array.from({ length: 256 }, (_, byte) => byte >= 0x20 && !SPECIAL.has(byte))

function escapeOf(name: Uint8Array, at: number): string | undefined {
  const byte = name[at] as number
  if (byte === 0x22 || byte === 0x5c) return byte === 0x22 ? '\\"' : '\\\\'
  if (byte === 0x0a) return '\\n'
  if (byte === 0x0d) return '\\r'
  if (byte === 0x09) return '\\t'
  if (byte < 0x20 || byte === 0x26 || byte === 0x3c || byte === 0x3e) {
    return `\\u${byte.toString(16).padStart(4, '0')}`
  }
  if (byte === 0xe2 && name[at + 1] === 0x80) {
    if (name[at + 2] === 0xa8) return '\\u2028'
    if (name[at + 2] === 0xa9) return '\\u2029'
  }
  return undefined
}
