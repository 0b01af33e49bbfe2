import { Buffer } from 'node:buffer'

/**
 * Bytes as a string with one character each: names in a tar need not be UTF-8, and such strings
 * can be compared, joined and used as keys.
 */
export type Raw = string

/** UTF-8 of a text, or the bytes given, as {@link Raw}. */
export function raw(value: string | Uint8Array): Raw {
  return Buffer.from(value as string).toString('latin1')
}

/** The bytes of a {@link Raw} string. */
export function bytesOf(value: Raw): Uint8Array {
  return new Uint8Array(Buffer.from(value, 'latin1'))
}

/** What people would read: U+FFFD stands for what is no UTF-8. */
export function textOf(value: Raw): string {
  return Buffer.from(value, 'latin1').toString('utf8')
}

/** All parts as one array. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** Whether two arrays hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
