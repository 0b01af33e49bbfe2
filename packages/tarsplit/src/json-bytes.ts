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
  if (isPlain(content)) return content.slice()
  if (!isUtf8(content)) throw corruptRecord('a string is no UTF-8')
  const text = parseJson(`"${new TextDecoder('utf-8', { ignoreBOM: true }).decode(content)}"`)
  return new TextEncoder().encode(String(text))
}

/** Whether a string is ASCII and holds no escape, nor what needs one. */
export function isPlain(content: Uint8Array): boolean {
  for (let i = 0; i < content.length; i++) {
    const byte = content[i] as number
    if (byte < 0x20 || byte >= 0x80 || byte === BACKSLASH) return false
  }
  return true
}

/** An integer of at most 19 digits, or undefined. */
export function parseInteger(text: Uint8Array): bigint | undefined {
  const start = text[0] === 0x2d ? 1 : 0
  const digits = text.length - start
  if (digits < 1 || digits > 19 || (text[start] === 0x30 && digits > 1)) return undefined
  let value = 0
  for (let i = start; i < text.length; i++) {
    const digit = (text[i] as number) - 0x30
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  if (digits > 15) return BigInt(new TextDecoder().decode(text))
  return BigInt(start === 1 ? -value : value)
}

/** `JSON.parse`. @throws LayerError `ERR_CORRUPT_RECORD` */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw corruptRecord(`it is no JSON: ${cause instanceof Error ? cause.message : cause}`)
  }
}
