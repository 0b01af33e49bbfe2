import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { buildInjector, type Outcome, tryFaults } from '../../fault/harness.ts'
import { openRealStore } from '../stack.ts'
import { damage, prepare, restore } from './operation.ts'

const script = fileURLToPath(new URL('operation.ts', import.meta.url))
const injector = buildInjector()
afterAll(() => injector?.[Symbol.dispose]())

/**
 * What is listed, in words: depths of layers and names of read-write layers, with `+` if something
 * is changed there and `@` if it is kept mounted.
 */
type State = string

const BEFORE = '1 2 old+'

/** For each operation, what must be listed after it was done. */
const CASES: Readonly<Record<string, State>> = {
  register: '1 2 2 old+',
  createRW: '1 2 new old+',
  release: '1 old+',
  // Layer 1 is still needed by layer 2.
  releaseRW: '1 2',
  commit: '1 2 2 old+',
  fork: '1 2 copy+ old+',
  reset: '1 2 old',
  keep: '1 2 old+@',
  gc: '1 old+',
  cleanup: BEFORE,
}

async function stateOf(root: string): Promise<State> {
  await using store = await openRealStore(root)
  expect(await Array.fromAsync(store.check({ full: true }))).toEqual([])
  expect(await store.cleanup()).toEqual([])
  const words: string[] = []
  for (const { chainID } of await Array.fromAsync(store.layers())) {
    await using layer = await store.get(chainID)
    words.push(String(layer.depth))
  }
  for (const { name } of await Array.fromAsync(store.rwLayers())) {
    await using rw = await store.getRW(name)
    const isChanged = (await Array.fromAsync(rw.changes())).length > 0
    const isKept = (await rw.kept()).length > 0
    words.push(`${name}${isChanged ? '+' : ''}${isKept ? '@' : ''}`)
  }
  const driverLayers = await Array.fromAsync(store.driver.list())
  const inits = driverLayers.filter((id) => id.endsWith('-init'))
  expect(driverLayers.length - inits.length).toBe(words.length)
  return words.sort().join(' ')
}

/** Nothing of a dead process is left beside the layers. */
function assertSwept(root: string): void {
  for (const place of ['image/vfs/layerdb/tmp', 'vfs/aside']) {
    const path = join(root, place)
    expect(existsSync(path) ? readdirSync(path) : [], place).toEqual([])
  }
}

for (const [name, after] of Object.entries(CASES)) {
  test.skipIf(!injector)(
    `${name}, killed or failing at any of its calls, is done or was never begun (needs gcc)`,
    async () => {
      if (!injector) throw new Error('unreachable')
      const report = await tryFaults(injector, {
        name,
        script,
        args: [name],
        prepare,
        async oracle(dir: string, outcome: Outcome) {
          const state = await stateOf(dir)
          assertSwept(dir)
          if (outcome.acknowledged.includes('done')) expect(state).toBe(after)
          else expect([BEFORE, after]).toContain(state)
        },
      })
      expect(report.failures.slice(0, 3)).toEqual([])
      expect(report.tried).toBeGreaterThan(0)
    },
    600_000,
  )
}

test.skipIf(!injector)(
  'a repair, killed or failing at any of its calls, has restored a layer or left it as it was (needs gcc)',
  async () => {
    if (!injector) throw new Error('unreachable')
    const report = await tryFaults(injector, {
      name: 'restore',
      script,
      args: ['restore'],
      async prepare(dir: string) {
        await prepare(dir)
        await damage(dir)
      },
      async oracle(dir: string, outcome: Outcome) {
        {
          await using store = await openRealStore(dir)
          const left = await restore(store)
          expect(left.filter(({ repaired }) => !repaired)).toEqual([])
          if (outcome.acknowledged.includes('done')) expect(left).toEqual([])
        }
        expect(await stateOf(dir)).toBe(BEFORE)
        assertSwept(dir)
      },
    })
    expect(report.failures.slice(0, 3)).toEqual([])
    expect(report.tried).toBeGreaterThan(0)
  },
  600_000,
)
