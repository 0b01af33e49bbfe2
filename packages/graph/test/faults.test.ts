import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { digestOf } from '@varve/core'
import { migrate } from '@varve/graph'
import { afterAll, expect, test } from 'vitest'
import { buildInjector, type Outcome, tryFaults } from '../../../test/fault/harness.ts'
import { BASE, NEW, openAt, prepare, STEPS, TAR } from './fault/operation.ts'
import { sound, writeOldRoot } from './support/old-root.ts'
import { bytesOf } from './support/places.ts'
import { openOldGraph, openStoreAt } from './support/store-bed.ts'

const scriptAt = (name: string) => fileURLToPath(new URL(`fault/${name}.ts`, import.meta.url))
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
  for (const place of ['graph/_tmp', 'vfs/aside']) {
    expect(readdirSync(join(root, place)), place).toEqual([])
  }
  return words.sort().join(', ')
}

test.skipIf(!injector)(
  'each step, killed or failing at any of its calls, is done or was never begun (needs gcc)',
  async () => {
    if (!injector) throw new Error('unreachable')
    expect(STATES).toHaveLength(STEPS.length + 1)
    const report = await tryFaults(injector, {
      name: 'digest, register, delete',
      points: 20,
      script: scriptAt('operation'),
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

/** The second run, which must go on where the first one ended; gives the ids of all images. */
async function finish(root: string): Promise<Record<string, string>> {
  await using graph = await openOldGraph(join(root, 'old'))
  await using bed = await openStoreAt(join(root, 'new'))
  const { images, failed } = await migrate(graph, { ...bed, memo: join(root, 'memo') })
  expect(failed).toEqual([])
  expect(await Array.fromAsync(bed.store.check({ full: true }))).toEqual([])
  expect(await bed.store.gc({ keep: await bed.images.roots(), dryRun: true })).toEqual([])
  return Object.fromEntries(images.map(({ id, imageID }) => [id, imageID]))
}

test.skipIf(!injector)(
  'a migration, killed or failing at any of its calls, is whole after a second run, with the same ids (needs gcc)',
  async () => {
    if (!injector) throw new Error('unreachable')
    let wanted: Record<string, string> | undefined
    const report = await tryFaults(injector, {
      name: 'migrate',
      points: 16,
      script: scriptAt('migration/operation'),
      prepare: (dir) => writeOldRoot(join(dir, 'old')),
      watched: 'new',
      faults: [
        { act: 'kill', forever: false },
        { act: 'killafter', forever: false },
        { act: 'EIO', forever: false },
        { act: 'ENOSPC', forever: true },
      ],
      async oracle(dir: string) {
        const ids = await finish(dir)
        // Of the first run, which nothing disturbed.
        wanted ??= ids
        expect(Object.keys(ids)).toHaveLength(sound.length)
        expect(ids).toEqual(wanted)
      },
    })
    expect(report.failures.slice(0, 3)).toEqual([])
    expect(report.tried).toBeGreaterThan(0)
  },
  600_000,
)
