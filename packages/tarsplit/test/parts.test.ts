import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { Base64Decoder, decodeBase64, encodeBase64 } from '../src/base64.ts'
import { crc64 } from '../src/crc64.ts'
import { NameSet } from '../src/name-set.ts'
import { isUtf8 } from '../src/utf8.ts'
import { utf8 } from './helpers.ts'

describe('CRC-64/GO-ISO', () => {
  test.each([
    ['', '0000000000000000'],
    ['abc', '3776c42000000000'],
    ['123456789', 'b90956c775a41001'],
    ['hello world\n', '44e9cf3f572ad9ac'],
  ])('of %j is that of Go', (text, expected) => {
    const crc = crc64()
    crc.update(utf8(text))
    expect(Buffer.from(crc.digest()).toString('hex')).toBe(expected)
  })

  test('does not depend on how the bytes are cut or aligned', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        fc.nat(600),
        fc.nat(8),
        (bytes, cut, shift) => {
          const byByte = crc64()
          for (let i = 0; i < bytes.length; i++) byByte.update(bytes.subarray(i, i + 1))
          const shifted = new Uint8Array(bytes.length + shift)
          shifted.set(bytes, shift)
          const inTwo = crc64()
          inTwo.update(shifted.subarray(shift, shift + cut))
          inTwo.update(shifted.subarray(shift + cut))
          expect(inTwo.digest()).toEqual(byByte.digest())
        },
      ),
    )
  })
})

describe('base64', () => {
  test('is that of everybody else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = new Uint8Array(200)
        const end = encodeBase64(bytes, 0, bytes.length, text, 0)
        expect(Buffer.from(text.subarray(0, end)).toString()).toBe(
          Buffer.from(bytes).toString('base64'),
        )
        expect(decodeBase64(text.subarray(0, end))).toEqual(bytes)
      }),
    )
  })

  test('is decoded in pieces as a whole', () => {
    fc.assert(
      fc.property(fc.base64String(), fc.array(fc.nat(9), { maxLength: 9 }), (text, cuts) => {
        const from = utf8(text)
        const to = new Uint8Array(from.length + 3)
        const decoder = new Base64Decoder()
        let put = 0
        let at = 0
        for (const cut of [...cuts, from.length]) {
          put = decoder.decode(from, at, Math.min(at + cut, from.length), to, put)
          at = Math.min(at + cut, from.length)
        }
        expect(decoder.finish()).toBe(true)
        expect(Buffer.compare(to.subarray(0, put), Buffer.from(text, 'base64'))).toBe(0)
      }),
    )
  })
})

test('UTF-8 is what Go and the Encoding Standard call so', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const parts = fc.constantFrom(
    '80',
    'c2a9',
    'eda080',
    'efbfbd',
    'f0908080',
    'f4908080',
    'c0af',
    'e080',
    '41',
  )
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc
      .array(parts, { maxLength: 4 })
      .map((hex) => new Uint8Array(Buffer.from(hex.join(''), 'hex'))),
  )
  fc.assert(
    fc.property(bytes, (text) => {
      let valid = true
      try {
        decoder.decode(text)
      } catch {
        valid = false
      }
      expect(isUtf8(text)).toBe(valid)
    }),
    { numRuns: runs(2000) },
  )
})

describe('the set of names', () => {
  test('knows a name again under each of its spellings', () => {
    const names = new NameSet()
    expect(names.add(utf8('a/b'))).toBe(true)
    for (const name of ['a/b', './a/b', 'a//b/', 'a/./b', 'a/x/../b']) {
      expect(names.add(utf8(name))).toBe(false)
    }
    expect(names.add(utf8(''))).toBe(true)
    expect(names.add(utf8('.'))).toBe(false)
    expect(names.add(utf8('/a/b'))).toBe(true)
  })

  test('takes 300,000 names for new once and for old ever after', () => {
    const names = new NameSet()
    const name = (i: number): Uint8Array => utf8(`usr/share/package-${i}/file.js`)
    for (let i = 0; i < 300_000; i++) expect(names.add(name(i))).toBe(true)
    for (let i = 0; i < 300_000; i += 7) expect(names.add(name(i))).toBe(false)
  })
})
