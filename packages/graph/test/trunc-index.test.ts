import { truncIndex } from '@varve/graph'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const code = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

describe('Docker’s cases', () => {
  const one = '99b36c2c326ccc11e726eee6ee78a0baf166ef96'
  const two = `${one.slice(0, 6)}blabla`

  test('nothing is found in an empty index', () => {
    const index = truncIndex()
    expect(code(() => index.get('foobar'))).toBe('ERR_IMAGE_NOT_FOUND')
    expect([...index]).toEqual([])
  })

  test('ids with white space, empty ones and those that are there are refused', () => {
    const index = truncIndex([one])
    for (const bad of ['I have a space', '', one]) {
      expect(
        code(() => index.add(bad)),
        bad,
      ).toBe('ERR_INVALID_ARGUMENT')
    }
    expect(code(() => truncIndex([one, two, one]))).toBe('ERR_INVALID_ARGUMENT')
  })

  test('any beginning finds an id, as long as it is the only one', () => {
    const index = truncIndex([one])
    expect(code(() => index.get('abracadabra'))).toBe('ERR_IMAGE_NOT_FOUND')
    for (const prefix of ['9', one.slice(0, one.length / 2), one])
      expect(index.get(prefix)).toBe(one)
    expect(code(() => index.get(`${one}0`))).toBe('ERR_IMAGE_NOT_FOUND')
    expect(code(() => index.get(''))).toBe('ERR_INVALID_ARGUMENT')
    index.add(two)
    expect([index.get(one), index.get(two)]).toEqual([one, two])
    expect(code(() => index.get(one.slice(0, 6)))).toBe('ERR_AMBIGUOUS_ID')
    expect(index.get(one.slice(0, 7))).toBe(one)
    expect(index.get(two.slice(0, 7))).toBe(two)
  })

  test('a deleted id is not found, and no longer in the way', () => {
    const index = truncIndex([one, two])
    for (const absent of ['', 'non-existing', one.slice(0, 8)]) {
      expect(
        code(() => index.delete(absent)),
        absent,
      ).toBe('ERR_IMAGE_NOT_FOUND')
    }
    index.delete(two)
    expect(code(() => index.get(two))).toBe('ERR_IMAGE_NOT_FOUND')
    expect(index.get(one.slice(0, 6))).toBe(one)
    expect([index.size, index.has(one), index.has(two)]).toEqual([1, true, false])
  })

  test('what is added or deleted while it is iterated changes nothing of the iteration', () => {
    const index = truncIndex(['a', 'b', 'c'])
    const seen: string[] = []
    for (const id of index) {
      seen.push(id)
      index.delete(id)
    }
    expect([seen, index.size]).toEqual([['a', 'b', 'c'], 0])
  })
})

test('whatever is done, it answers as a plain list does', () => {
  const id = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 5 })
  const step = fc.record({ kind: fc.constantFrom('add', 'delete', 'get'), id })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const index = truncIndex()
      const list = new Set<string>()
      for (const { kind, id: text } of steps) {
        if (kind === 'add') {
          expect(code(() => index.add(text))).toBe(
            list.has(text) ? 'ERR_INVALID_ARGUMENT' : undefined,
          )
          list.add(text)
        } else if (kind === 'delete') {
          expect(code(() => index.delete(text))).toBe(
            list.delete(text) ? undefined : 'ERR_IMAGE_NOT_FOUND',
          )
        }
        const found = [...list].filter((one) => one.startsWith(text))
        const wanted =
          list.has(text) || found.length === 1
            ? (found.find((one) => one === text) ?? found[0])
            : undefined
        expect(code(() => index.get(text))).toBe(
          wanted ?? (found.length === 0 ? 'ERR_IMAGE_NOT_FOUND' : 'ERR_AMBIGUOUS_ID'),
        )
        expect([...index]).toEqual([...list].sort())
      }
    }),
  )
})
