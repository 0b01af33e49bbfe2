/** Standard base64 with padding (RFC 4648, section 4), on bytes of ASCII instead of strings. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const DIGITS = Uint8Array.from(ALPHABET, (c) => c.charCodeAt(0))

/** In {@link VALUES}: not a digit. */
export const NO_DIGIT = 0xff
/** Value of each digit by its character code. */
export const VALUES: Uint8Array = new Uint8Array(256).fill(NO_DIGIT)
for (let i = 0; i < 64; i++) VALUES[DIGITS[i] as number] = i

const PADDING = 0x3d

/**
 * Encodes `from[start..end)` at `to[at]`, padded if its length is no multiple of three.
 *
 * @returns where it ended in `to`
 */
export function encodeBase64(
  from: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  at: number,
): number {
  const whole = end - ((end - start) % 3)
  let put = at
  for (let i = start; i < whole; i += 3) {
    const bits =
      ((from[i] as number) << 16) | ((from[i + 1] as number) << 8) | (from[i + 2] as number)
    to[put] = DIGITS[bits >>> 18] as number
    to[put + 1] = DIGITS[(bits >>> 12) & 63] as number
    to[put + 2] = DIGITS[(bits >>> 6) & 63] as number
    to[put + 3] = DIGITS[bits & 63] as number
    put += 4
  }
  if (whole === end) return put
  const two = end - whole === 2
  const bits = ((from[whole] as number) << 16) | (two ? (from[whole + 1] as number) << 8 : 0)
  to[put] = DIGITS[bits >>> 18] as number
  to[put + 1] = DIGITS[(bits >>> 12) & 63] as number
  to[put + 2] = two ? (DIGITS[(bits >>> 6) & 63] as number) : PADDING
  to[put + 3] = PADDING
  return put + 4
}

/**
 * A decoder that takes its text in pieces cut anywhere. Like Go's, it ignores line ends, wants the
 * padding, and does not mind bits that the padding leaves over.
 */
export class Base64Decoder {
  #bits = 0
  #digits = 0
  #padding = 0

  /**
   * Decodes `from[start..end)` to `to[at]`, for which there must be room: three bytes for every
   * four, and three.
   *
   * @returns where it ended in `to`, or -1 if the text is no base64
   */
  decode(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
    let put = at
    let i = start
    while (i < end) {
      if (this.#digits === 0 && this.#padding === 0) {
        for (; i + 4 <= end; i += 4) {
          const a = VALUES[from[i] as number] as number
          const b = VALUES[from[i + 1] as number] as number
          const c = VALUES[from[i + 2] as number] as number
          const d = VALUES[from[i + 3] as number] as number
          if ((a | b | c | d) > 63) break
          to[put] = (a << 2) | (b >>> 4)
          to[put + 1] = (b << 4) | (c >>> 2)
          to[put + 2] = (c << 6) | d
          put += 3
        }
        if (i >= end) break
      }
      put = this.#one(from[i] as number, to, put)
      if (put < 0) return -1
      i++
    }
    return put
  }

  /** Whether the text may end here; if so, the decoder is ready for the next one. */
  finish(): boolean {
    const complete = this.#digits === 0 && this.#padding % 2 === 0
    this.#bits = 0
    this.#digits = 0
    this.#padding = 0
    return complete
  }

  #one(char: number, to: Uint8Array, at: number): number {
    if (char === 0x0a || char === 0x0d) return at
    if (char === PADDING) return this.#pad(to, at)
    const value = VALUES[char] as number
    if (value === NO_DIGIT || this.#padding > 0) return -1
    this.#bits = (this.#bits << 6) | value
    if (++this.#digits < 4) return at
    to[at] = this.#bits >>> 16
    to[at + 1] = this.#bits >>> 8
    to[at + 2] = this.#bits
    this.#bits = 0
    this.#digits = 0
    return at + 3
  }

  /** `xx==` holds one byte, `xxx=` two; `#padding` is odd while the second `=` is missing. */
  #pad(to: Uint8Array, at: number): number {
    if (this.#padding === 1) {
      this.#padding = 2
      return at
    }
    if (this.#padding > 0 || this.#digits < 2) return -1
    const two = this.#digits === 3
    to[at] = this.#bits >>> (two ? 10 : 4)
    if (two) to[at + 1] = this.#bits >>> 2
    this.#padding = two ? 2 : 1
    this.#digits = 0
    return at + (two ? 2 : 1)
  }
}

/** All of a base64 text, or undefined if it is none. @param decoder one that is idle, to use */
export function decodeBase64(
  text: Uint8Array,
  decoder: Base64Decoder = new Base64Decoder(),
): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.ceil(text.length / 4) * 3 + 3)
  const end = decoder.decode(text, 0, text.length, bytes, 0)
  return end >= 0 && decoder.finish() ? bytes.subarray(0, end) : undefined
}
