/** Small helpers on bytes that are text only by convention. */

/** No bytes. */
export const EMPTY: Uint8Array = new Uint8Array(0)

/** A copy of `bytes[from..to)`; quicker than `slice` for the few bytes of a name. */
export function copyOf(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const length = to - from
  if (length === 0) return EMPTY
  if (length > 64) return bytes.slice(from, to)
  const copy = new Uint8Array(length)
  for (let i = 0; i < length; i++) copy[i] = bytes[from + i] as number
  return copy
}

/** Where the first NUL in `bytes[from..to)` is, or `to`. */
export function endOfText(bytes: Uint8Array, from: number, to: number): number {
  let at = from
  while (at < to && bytes[at] !== 0) at++
  return at
}

/** Each byte as the character of that number: lossless, whatever the bytes are. */
export function toBinary(bytes: Uint8Array, from = 0, to: number = bytes.length): string {
  let text = ''
  for (let at = from; at < to; at += 4096) {
    // Spread arguments would go through the array's iterator, which takes four times as long.
    const part = bytes.subarray(at, Math.min(at + 4096, to)) as unknown as number[]
    text += String.fromCharCode.apply(null, part)
  }
  return text
}

/** The bytes of a {@link toBinary} string. */
export function fromBinary(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/** Whether `bytes[from..from+other.length)` are the bytes of `other`. */
export function sameBytes(bytes: Uint8Array, from: number, other: Uint8Array): boolean {
  for (let i = 0; i < other.length; i++) if (bytes[from + i] !== other[i]) return false
  return true
}

/** All parts in one. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
