import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  asCacheID,
  asChainID,
  asDiffID,
  asMountName,
  chainIDOf,
  chainIDOfStack,
  type DiffID,
  digestOf,
  EMPTY_DIFF_ID,
  emptyTar,
  isCacheID,
  isDigest,
  LayerError,
  newCacheID,
} from '../src/index.ts'

const hex = fc.stringMatching(/^[a-f0-9]{64}$/)

describe('digests', () => {
  test('the empty layer has the DiffID that Docker gives it', () => {
    expect(digestOf(emptyTar())).toBe(EMPTY_DIFF_ID)
  })

  test.each([
    'sha256:',
    'sha256:../../etc/passwd',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
    `sha256:${'a'.repeat(64)}\n`,
    `sha512:${'a'.repeat(64)}`,
    'a'.repeat(64),
  ])('refuses %j', (text) => {
    expect(isDigest(text)).toBe(false)
    expect(() => asChainID(text)).toThrowError(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })
})

describe('ChainID', () => {
  test('of a base layer is its DiffID', () => {
    expect(chainIDOf(undefined, EMPTY_DIFF_ID)).toBe(EMPTY_DIFF_ID)
  })

  test('of two empty layers is the known one', () => {
    const chain = chainIDOfStack([EMPTY_DIFF_ID, EMPTY_DIFF_ID])
    expect(chain).toMatch(/^sha256:170b376f.*d548$/)
  })

  test('of a stack is the fold of sha256(parent + " " + diff)', () => {
    fc.assert(
      fc.property(fc.array(hex, { minLength: 1, maxLength: 8 }), (stack) => {
        const ids = stack.map((h) => asDiffID(`sha256:${h}`))
        const folded = ids.reduce<string>((below, id) => {
          if (below === '') return id
          return `sha256:${createHash('sha256').update(`${below} ${id}`).digest('hex')}`
        }, '')
        expect(chainIDOfStack(ids)).toBe(folded)
      }),
    )
  })

  test('of no layers is an error', () => {
    expect(() => chainIDOfStack([] as DiffID[])).toThrow(LayerError)
  })
})

describe('driver ids', () => {
  test('are 64 hex digits and never look like a number', () => {
    for (let i = 0; i < 2000; i++) {
      const id = newCacheID()
      expect(isCacheID(id)).toBe(true)
      expect(id.slice(0, 12)).toMatch(/[a-f]/)
    }
  })

  test('may be those of an init layer', () => {
    expect(asCacheID(`${'0a'.repeat(32)}-init`)).toHaveLength(69)
  })

  test.each(['', '..', `${'a'.repeat(64)}-x`, `${'a'.repeat(64)}/`, 'A'.repeat(64)])(
    'refuses %j',
    (text) => expect(() => asCacheID(text)).toThrow(LayerError),
  )
})

describe('names of read-write layers', () => {
  test.each(['a', 'web_1', 'x.y-z', 'a'.repeat(255)])('accepts %j', (name) => {
    expect(asMountName(name)).toBe(name)
  })
  test.each(['', '.', '..', '.hidden', 'a/b', 'a\0b', 'a b', 'ä', 'a'.repeat(256)])(
    'refuses %j',
    (name) => expect(() => asMountName(name)).toThrow(LayerError),
  )
})
