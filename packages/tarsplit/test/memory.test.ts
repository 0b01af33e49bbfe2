import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

/** Runs a case of `memory-child.ts` in a process of its own and returns its growth in MB. */
function growth(name: string): number {
  const child = fileURLToPath(new URL('memory-child.ts', import.meta.url))
  // Deno wants its own words before the file; Node and Bun take the condition as it is.
  const words = 'Deno' in globalThis ? ['run', '-A'] : []
  const args = [...words, '--conditions=@varve/source', child, name]
  const run = spawnSync(process.execPath, args, { encoding: 'utf8', env: process.env })
  expect(run.status, run.stderr).toBe(0)
  return Number(run.stdout)
}

describe('memory stays bounded', () => {
  test.each([
    ['padding', 'of 2 GiB of junk after the archive'],
    ['claim', 'of a payload of 2 GiB'],
    ['sparse', 'of a sparse file that claims 1 TiB, with 1 GiB of data for none of it'],
  ])('%s: %s', (name) => {
    expect(growth(name)).toBeLessThan(256)
  })

  test('a million entries', () => {
    expect(growth('entries')).toBeLessThan(256)
  })

  test('a record with a segment of 1 GiB on one line, as Go writes it', () => {
    expect(growth('line')).toBeLessThan(256)
  })
})
