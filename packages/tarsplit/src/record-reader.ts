import type { LayerError } from '@varve/core/errors'
import { Base64Decoder } from './base64.ts'
import { closingQuote, endOfValue, MORE, skipSpace, stringContent } from './json-bytes.ts'
import {
  corruptEntry,
  type FileItem,
  keyOf,
  RecordEntry,
  type SegmentItem,
} from './record-entry.ts'

/** Longest text of one entry, segment payloads aside: more than a name of 1 MiB, escaped. */
const ENTRY_LIMIT = 1 << 23
/** Most bytes of a segment that are handed out at once. */
const PIECE = 3 << 14

const NOTHING = new Uint8Array(0)

/**
 * Reads the records that Go's tar-split has written in any of its versions, and whatever else
 * `encoding/json` would read as one: keys in any order and case, extra keys, entries without
 * newlines between them. Stricter than Go: an entry of an unknown type is an error, not skipped.
 *
 * It is fed chunks and asked for items. A segment of any length is handed out piece by piece.
 */
export class RecordReader {
  /** What is not read yet is `#text[#at..#end)`; a chunk itself while `#borrowed`, else a copy. */
  #text: Uint8Array = new Uint8Array(0)
  #at = 0
  #end = 0
  #borrowed = true

  #inside: 'nothing' | 'object' | 'segment' = 'nothing'
  #first = true
  #entries = 0
  readonly #decoder = new Base64Decoder()
  #entry = new RecordEntry(0, this.#decoder)
  readonly #piece = new Uint8Array(PIECE + 8)

  /** Adds a chunk, once {@link next} has returned undefined. */
  feed(chunk: Uint8Array): void {
    const left = this.#end - this.#at
    if (left === 0) {
      this.#text = chunk
      this.#borrowed = true
    } else {
      if (left > ENTRY_LIMIT) throw this.#corrupt('is longer than 8 MiB')
      this.#makeRoom(left + chunk.length)
      this.#text.set(chunk, left)
    }
    this.#at = 0
    this.#end = left + chunk.length
  }

  /**
   * The next item, or undefined if that needs another chunk.
   *
   * @throws LayerError `ERR_CORRUPT_RECORD`
   */
  next(): SegmentItem | FileItem | undefined {
    for (;;) {
      if (this.#inside === 'nothing' && !this.#begin()) return this.#keep()
      if (this.#inside === 'segment') {
        const piece = this.#segmentPiece()
        if (piece.length > 0) return { type: 'segment', bytes: piece }
        if (this.#inside === 'segment') return this.#keep()
      }
      const step = this.#member()
      if (step === 'more') return this.#keep()
      if (step === 'end') {
        const item = this.#entry.item()
        this.#inside = 'nothing'
        this.#entries++
        if (item) return item
      }
    }
  }

  /** Tells it that the record has ended. @throws LayerError `ERR_CORRUPT_RECORD` if it is cut short */
  finish(): void {
    if (this.#inside !== 'nothing') throw this.#corrupt('is cut short')
  }

  #corrupt(why: string): LayerError {
    return corruptEntry(this.#entries, why)
  }

  /** Copies what is left of a chunk, which is not ours any more once the next is asked for. */
  #keep(): undefined {
    if (this.#borrowed) this.#makeRoom(2 * (this.#end - this.#at))
    return undefined
  }

  /** Moves what is left to the beginning of a buffer of ours. */
  #makeRoom(room: number): void {
    const left = this.#text.subarray(this.#at, this.#end)
    if (this.#borrowed || this.#text.length < room) {
      this.#text = new Uint8Array(Math.max(room, this.#borrowed ? 0 : 2 * this.#text.length))
      this.#borrowed = false
    }
    this.#text.set(left)
    this.#end = left.length
    this.#at = 0
  }

  #begin(): boolean {
    this.#at = skipSpace(this.#text, this.#at, this.#end)
    if (this.#at === this.#end) return false
    if (this.#text[this.#at] !== 0x7b) throw this.#corrupt('is no JSON object')
    this.#at++
    this.#inside = 'object'
    this.#first = true
    this.#entry = new RecordEntry(this.#entries, this.#decoder)
    return true
  }

  /** Reads one key and value, or the end of the object; nothing if all of it is not there yet. */
  #member(): 'next' | 'end' | 'more' {
    const text = this.#text
    const end = this.#end
    let at = skipSpace(text, this.#at, end)
    if (at < end && text[at] === 0x7d) {
      this.#at = at + 1
      return 'end'
    }
    if (!this.#first) at = this.#expect(0x2c, at)
    if (at === MORE) return 'more'
    at = skipSpace(text, at, end)
    if (at === end) return 'more'
    const keyFrom = this.#expect(0x22, at)
    const keyEnd = closingQuote(text, keyFrom, end)
    if (keyEnd === MORE) return 'more'
    const colon = this.#expect(0x3a, skipSpace(text, keyEnd + 1, end))
    if (colon === MORE) return 'more'
    const from = skipSpace(text, colon, end)
    if (from === end) return 'more'
    const key = keyOf(text.subarray(keyFrom, keyEnd))
    if (key === 'payload' && this.#entry.isSegment && text[from] === 0x22) {
      this.#startSegment(from + 1)
      return 'next'
    }
    const to = endOfValue(text, from, end)
    if (to === MORE) return 'more'
    this.#entry.set(key, text.subarray(from, to))
    this.#first = false
    this.#at = to
    return 'next'
  }

  /** One past `byte`, which must be at `at`, or MORE. */
  #expect(byte: number, at: number): number {
    if (at >= this.#end) return MORE
    if (this.#text[at] !== byte) throw this.#corrupt('is no JSON object')
    return at + 1
  }

  #startSegment(at: number): void {
    this.#entry.stream()
    this.#inside = 'segment'
    this.#first = false
    this.#at = at
  }

  /** Some decoded bytes of the open segment; none at its end, or if more text is needed. */
  #segmentPiece(): Uint8Array {
    const text = this.#text
    for (;;) {
      const from = this.#at
      const quote = text.indexOf(0x22, from)
      let to = Math.min(quote < 0 ? this.#end : quote, this.#end, from + (PIECE / 3) * 4)
      const escaped = text.subarray(from, to).indexOf(0x5c)
      if (escaped >= 0) to = from + escaped
      const length = this.#decoder.decode(text, from, to, this.#piece, 0)
      if (length < 0) throw this.#corrupt('holds malformed base64')
      this.#at = to
      if (length > 0) return this.#piece.subarray(0, length)
      if (to === this.#end) return NOTHING
      if (to === quote) {
        if (!this.#decoder.finish()) throw this.#corrupt('holds malformed base64')
        this.#at = quote + 1
        this.#inside = 'object'
        return NOTHING
      }
      const decoded = escaped >= 0 ? this.#escape() : 0
      if (decoded < 0) return NOTHING
      if (decoded > 0) return this.#piece.subarray(0, decoded)
    }
  }

  /** Decodes one escaped character of a segment; returns how many bytes it completed, or MORE. */
  #escape(): number {
    const from = this.#at
    const length = this.#text[from + 1] === 0x75 ? 6 : 2
    if (from + length > this.#end) return MORE
    const char = stringContent(this.#text.subarray(from, from + length))
    this.#at = from + length
    const decoded = this.#decoder.decode(char, 0, char.length, this.#piece, 0)
    if (decoded < 0) throw this.#corrupt('holds malformed base64')
    return decoded
  }
}
