import { expect, test } from 'vitest'
import { corpus } from '../src/index.ts'

test('the corpus has at least 60 hostile tars, and no name twice', () => {
  const all = corpus()
  expect(all.filter(({ hostile }) => hostile).length).toBeGreaterThanOrEqual(60)
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
})
