import { expect, test } from 'vitest'
import { skippedForWant } from './no-skips.ts'

/** A module whose tests have these names, and of which those with an `x` were skipped. */
function moduleOf(...names: string[]) {
  const tests = names.map((name) => ({
    fullName: name.replace(/^x /, ''),
    state: name.startsWith('x ') ? 'skipped' : 'passed',
  }))
  const allTests = (state?: string) => tests.filter((one) => one.state === state).values()
  return { children: { allTests } } as unknown as Parameters<typeof skippedForWant>[0][number]
}

test('a skipped test that needs something is told, one that does not apply is not', () => {
  const modules = [
    moduleOf('a (needs root)', 'x b (needs root) > c', 'x d (need root) > e'),
    moduleOf('x driver: what this one cannot', 'x f (needs Windows)'),
  ]
  expect(skippedForWant(modules)).toEqual(['b (needs root) > c', 'd (need root) > e'])
})
