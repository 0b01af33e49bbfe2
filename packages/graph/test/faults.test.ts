import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { digestOf } from '@varve/core'
import { afterAll, expect, test } from 'vitest'
import { buildInjector, type Outcome, tryFaults } from '../../../test/fault/harness.ts'
import { BASE, NEW, openAt, prepare, STEPS, TAR } from './fault/operation.ts'
import { bytesOf } from './support/places.ts'

const script = fileURLToPath(new URL('fault/operation.ts', import.meta.url))
const injector = buildInjector()
afterAll(() => injector?.[Symbol.dispose]())

/** Ids and digests, in words, after each step. */
const STATES: readonly string[] = [
  `${BASE} old`,
  `${BASE} new`,
  `${BASE} new, ${NEW} none`,
  `${BASE} new`,
]

async function stateOf(root: string): Promise<string> {
  await using opened = await openAt(root)
  const { graph } = opened
  expect(await graph.problems()).toEqual([])
  const words: string[] = []
  for await (const { id } of graph.walkAll()) {
    expect(await bytesOf(graph.tarLayer(id))).toBe(Buffer.from(TAR).toString('latin1'))
    const digest = await graph.getDigest(id).catch(() => 'none')
    const word = digest === digestOf('old') ? 'old' : digest === digestOf('new') ? 'new' : digest
    words.push(`${id} ${word}`)
  }
  expect(await opened.layers()).toEqual([...(await graph.map()).keys()].sort())
  expect(readdirSync(join(root, 'graph/_tmp'))).toEqual([])
  return words.sort().join(', ')
}

test.skipIf(!injector)(
  'each step, killed or failing at any of its calls, is done or was never begun (needs gcc)',
  async () => {
    if (!injector) throw new Error('unreachable')
    expect(STATES).toHaveLength(STEPS.length + 1)
    const report = await tryFaults(injector, {
      name: 'digest, register, delete',
      script,
      prepare,
      async oracle(dir: string, { acknowledged }: Outcome) {
        const done = acknowledged.length
        expect(STATES.slice(done, done + 2)).toContain(await stateOf(dir))
      },
    })
    expect(report.failures.slice(0, 3)).toEqual([])
    expect(report.tried).toBeGreaterThan(0)
  },
  600_000,
)
