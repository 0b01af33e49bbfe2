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
    ['padding', '1 GiB of junk after the archive'],
    ['claim', 'a payload of 1 GiB'],
    ['sparse', '1 GiB of data in a sparse file of size 0'],
    ['entries', 'a million entries'],
    ['line', 'a record whose one line has 1 GiB, as Go writes it'],
  ])('%s: %s', (name) => expect(growth(name)).toBeLessThan(256), 300_000)
})
