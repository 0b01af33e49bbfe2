import { expect, test } from 'vitest'

test('the tests run on the runtime that they are meant for', () => {
  const { deno, bun } = process.versions as { deno?: string; bun?: string }
  expect(deno ? 'deno' : bun ? 'bun' : 'node').toBe(process.env.VARVE_RUNTIME ?? 'node')
})
