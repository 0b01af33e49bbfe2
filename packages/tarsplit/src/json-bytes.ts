import { corruptRecord } from './faults.ts'
import { isUtf8 } from './utf8.ts'

/** What the functions here return when the text goes on in a chunk that is not there yet. */
export const MORE = -1

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Where the next byte that is no JSON white space is in `text[at..end)`, or `end`. */
export function skipSpace(text: Uint8Array, at: number, end: number): number {
  let i = at
  while (i < end && isSpace(text[i] as number)) i++
  return i
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** Where the string that begins after `at` has its closing quote, or {@link MORE}. */
export function closingQuote(text: Uint8Array, at: number, end: number): number {
  for (let i = text.indexOf(QUOTE, at); i >= 0 && i < end; i = text.indexOf(QUOTE, i + 1)) {
    let backslashes = 0
    while (text[i - 1 - backslashes] === BACKSLASH && i - 1 - backslashes >= at) backslashes++
    if (backslashes % 2 === 0) return i
  }
  return MORE
}

/** Where the value at `at` ends (one past it), whatever it is, or {@link MORE}. */
export function endOfValue(text: Uint8Array, at: number, end: number): number {
  let depth = 0
  for (let i = at; i < end; i++) {
    const byte = text[i] as number
    if (byte === QUOTE) {
      i = closingQuote(text, i + 1, end)
      if (i === MORE) return MORE
      if (depth === 0) return i + 1
    } else if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return i
      if (--depth === 0) return i + 1
    } else if (depth === 0 && (byte === 0x2c || isSpace(byte))) return i
  }
  return MORE
}

/** The content of a string in UTF-8, without its escapes. @throws LayerError `ERR_CORRUPT_RECORD` */
export function stringContent(content: Uint8Array): Uint8Array {
  if (!isUtf8(content)) throw corruptRecord('a string is no UTF-8')
  if (content.every((byte) => byte >= 0x20 && byte !== BACKSLASH)) return content.slice()
  const text = parseJson(`"${new TextDecoder('utf-8', { ignoreBOM: true }).decode(content)}"`)
  return new TextEncoder().encode(String(text))
}

/** `JSON.parse`. @throws LayerError `ERR_CORRUPT_RECORD` */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw corruptRecord(`it is no JSON: ${cause instanceof Error ? cause.message : cause}`)
  }
}
