import { describe, expect, test } from 'vitest'
import { ageText, cut, durationText, printable, shortID, sizeText } from '../src/terminal/words.ts'

describe('sizes', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1234, '1.23 kB'],
    [12_345, '12.3 kB'],
    [123_456, '123 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [7_049_688, '7.05 MB'],
    [1_500_000_000_000, '1.50 TB'],
  ])('%i bytes are %s', (bytes, text) => expect(sizeText(bytes)).toBe(text))
})

test.each([
  [12, '12 ms'],
  [1200, '1.2 s'],
  [125_000, '2 min 5 s'],
])('%i ms are %s', (ms, text) => expect(durationText(ms)).toBe(text))

describe('ages', () => {
  const now = new Date('2026-11-22T12:00:00Z')
  test.each([
    ['2026-11-22T11:59:59Z', '1 second ago'],
    ['2026-11-22T10:00:00Z', '2 hours ago'],
    ['2026-11-01T12:00:00Z', '3 weeks ago'],
    ['1970-01-01T00:00:00Z', '56 years ago'],
    ['2027-11-01T12:00:00Z', 'in the future'],
    ['nonsense', 'unknown'],
  ])('%s is %s', (then, text) => expect(ageText(new Date(then), now)).toBe(text))
  test('none is unknown', () => expect(ageText(undefined, now)).toBe('unknown'))
})

test('a digest is shortened to what docker shows', () => {
  expect(shortID(`sha256:${'0123456789ab'.repeat(5)}cdef`)).toBe('0123456789ab')
})

test('long text is cut by letters, not by halves of them', () => {
  expect(cut('🧊🧊🧊🧊', 3)).toBe('🧊🧊…')
  expect(cut('abc', 3)).toBe('abc')
})

test('text from an image cannot steer the terminal', () => {
  expect(printable('a\x1b[2Jb\r\u009b\u202e')).toBe('a\\x1b[2Jb\\x0d\\x9b\\u202e')
  expect(printable('lera – 1912 🧊')).toBe('lera – 1912 🧊')
})
