/**
 * Whether `bytes` are valid UTF-8 as Go's `unicode/utf8` sees it: no surrogates, no overlong forms,
 * nothing beyond U+10FFFF.
 */
export function isUtf8(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at)
    if (length === 0) return false
    at += length
  }
  return true
}

/** Length of the character at `at`, or 0 if there is none (Unicode 15, table 3-7). */
function sequenceLength(bytes: Uint8Array, at: number): 0 | 1 | 2 | 3 | 4 {
  const first = bytes[at] as number
  if (first < 0x80) return 1
  if (first < 0xc2 || first > 0xf4) return 0
  const second = bytes[at + 1] ?? 0
  if (first < 0xe0) return isTail(second) ? 2 : 0
  if (!isTail(second) || !isTail(bytes[at + 2] ?? 0)) return 0
  if (first < 0xf0) {
    const good = first === 0xe0 ? second >= 0xa0 : first !== 0xed || second < 0xa0
    return good ? 3 : 0
  }
  const good = first === 0xf0 ? second >= 0x90 : first !== 0xf4 || second < 0x90
  return good && isTail(bytes[at + 3] ?? 0) ? 4 : 0
}

function isTail(byte: number): boolean {
  return (byte & 0xc0) === 0x80
}
