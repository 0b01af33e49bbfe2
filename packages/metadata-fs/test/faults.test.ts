import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { buildInjector, type FaultPlan, tryFaults } from '../../../test/fault/harness.ts'
import { OLD_FRESH } from './fault/cast.ts'
import { oracleOf, type State } from './fault/oracle.ts'
import { build, damageFresh, ruin } from './fault/ruins.ts'

const injector = buildInjector()
afterAll(() => injector?.[Symbol.dispose]())

const ALL = { layers: ['base', 'middle', 'top'] } as const satisfies State
const NONE: State = { layers: [] }
const BASE: State = { layers: ['base'] }
const FRESH: State = { layers: ['base', 'fresh'] }

type Case = Pick<FaultPlan, 'name' | 'prepare' | 'oracle'>

const cases: readonly Case[] = [
  { name: 'open', prepare: () => {}, oracle: oracleOf([NONE]) },
  { name: 'register', prepare: (dir) => build(dir, ['base']), oracle: oracleOf([BASE, FRESH]) },
  {
    name: 'register deferred',
    prepare: (dir) => build(dir, ['base']),
    oracle: async (dir, outcome) => {
      const registered = outcome.acknowledged.includes('registered')
      await oracleOf(registered ? [FRESH] : [BASE, FRESH])(dir, outcome)
    },
  },
  {
    name: 'register',
    prepare: async (dir) => {
      await build(dir, ['base', 'fresh'])
      damageFresh(dir)
    },
    oracle: oracleOf(
      [
        { ...BASE, damaged: ['fresh'] },
        { ...BASE, quarantined: 1 },
        { ...FRESH, quarantined: 1 },
      ],
      [OLD_FRESH],
    ),
  },
  {
    name: 'set aside',
    prepare: async (dir) => {
      await build(dir, ['base', 'fresh'])
      damageFresh(dir)
    },
    oracle: oracleOf(
      [
        { ...BASE, damaged: ['fresh'] },
        { ...BASE, quarantined: 1 },
      ],
      [OLD_FRESH],
    ),
  },
  {
    name: 'create mount',
    prepare: (dir) => build(dir, ['base']),
    oracle: oracleOf([BASE, { ...BASE, mounted: true }]),
  },
  {
    name: 'retire one',
    prepare: (dir) => build(dir, ALL.layers),
    oracle: oracleOf([ALL, { layers: ['base', 'middle'] }]),
  },
  {
    name: 'retire several',
    prepare: (dir) => build(dir, ALL.layers),
    oracle: oracleOf([ALL, NONE]),
  },
  {
    name: 'undo several',
    prepare: (dir) => build(dir, ALL.layers),
    oracle: oracleOf([NONE, BASE, { layers: ['base', 'middle'] }, ALL]),
  },
  {
    name: 'retire mount',
    prepare: (dir) => build(dir, ['base'], true),
    oracle: oracleOf([{ ...BASE, mounted: true }, BASE]),
  },
  {
    name: 'undo mount',
    prepare: (dir) => build(dir, ['base'], true),
    oracle: oracleOf([BASE, { ...BASE, mounted: true }]),
  },
  { name: 'hold', prepare: (dir) => build(dir, ALL.layers), oracle: oracleOf([ALL]) },
  { name: 'recover', prepare: ruin, oracle: oracleOf([ALL]) },
]

for (const [at, plan] of cases.entries()) {
  test.skipIf(!injector)(
    `${plan.name} (${at}) leaves the state before or after, wherever it is disturbed (needs gcc on Linux)`,
    { timeout: 3_600_000 },
    async () => {
      if (!injector) throw new Error('there is no injector')
      const script = join(import.meta.dirname, 'fault/operation.ts')
      const report = await tryFaults(injector, {
        ...plan,
        script,
        args: [plan.name],
        watched: 'layerdb',
      })
      expect(report.failures).toEqual([])
      expect(report.tried).toBeGreaterThan(0)
      console.info(
        `${plan.name}: ${report.calls} calls, ${report.tried} of ${report.points} points tried`,
      )
    },
  )
}
