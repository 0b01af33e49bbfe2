/**
 * Numbers in tar headers, as strictly and as laxly as Go's `archive/tar` reads them. NaN stands for
 * a field that it refuses. Beyond 2⁵³ a number is approximate.
 */
const SPACE = 0x20
const NOT_OCTAL = Number.NaN

/**
 * A field of octal digits, padded with spaces or NULs on either side and cut at a NUL in between.
 * Blank is 0.
 */
export function parseOctal(bytes: Uint8Array, from: number, to: number): number {
  let at = from
  let end = to
  while (at < end && (bytes[at] === 0 || bytes[at] === SPACE)) at++
  while (end > at && (bytes[end - 1] === 0 || bytes[end - 1] === SPACE)) end--
  let value = 0
  for (; at < end; at++) {
    const digit = (bytes[at] as number) ^ 0x30
    if (digit > 7) return bytes[at] === 0 ? value : NOT_OCTAL
    value = value * 8 + digit
  }
  return value
}

/** A field in octal or, with the first bit set, in GNU's base 256 (two's complement, big-endian). */
export function parseNumeric(bytes: Uint8Array, from: number, to: number): number {
  const first = bytes[from] as number
  return first < 0x80 ? parseOctal(bytes, from, to) : parseBase256(bytes, from, to)
}

function parseBase256(bytes: Uint8Array, from: number, to: number): number {
  const negative = ((bytes[from] as number) & 0x40) !== 0
  const invert = negative ? 0xffn : 0n
  let value = 0n
  for (let at = from; at < to; at++) {
    const byte = BigInt(bytes[at] as number) ^ invert
    value = (value << 8n) | (at === from ? byte & 0x7fn : byte)
  }
  if (value >> 63n !== 0n) return NOT_OCTAL
  return Number(negative ? -value - 1n : value)
}

const INT64_MAX = 2n ** 63n - 1n

/** A decimal number with an optional sign that fits in 64 bits, as Go's `ParseInt`, or NaN. */
export function parseDecimal(text: string): number {
  if (!/^[+-]?[0-9]+$/.test(text)) return Number.NaN
  if (text.length <= 15) return Number(text) || 0
  const negative = text.startsWith('-')
  const digits = text.replace(/^[+-]/, '').replace(/^0+(?=.)/, '')
  if (digits.length > 19) return Number.NaN
  const value = BigInt(digits)
  if (value > (negative ? INT64_MAX + 1n : INT64_MAX)) return Number.NaN
  return Number(negative ? -value : value)
}
