/**
 * The binding, the driver on it, and the suites of the test kit, in a Node for Windows under wine, with
 * a vmcompute.dll of our own (packages/sys/test/windows/fake): `children/` is what runs there.
 */
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasWine, openWine, type Wine, type WineResult } from './wine.ts'

/** What runs there, and how many of its cases must have passed at the least. */
const PROGRAMS = {
  'the binding, and the driver on it': ['on-windows', 15],
  'the driver suite': ['driver-suite', 190],
  'the store suite': ['store-suite', 50],
} as const

describe.skipIf(!hasWine && !process.env.CI)(
  'under wine (needs wine64 and gcc-mingw-w64-x86-64)',
  () => {
    let wine: Wine
    /** All at once, as each of them waits much of its time. */
    let results: Readonly<Record<string, Promise<readonly WineResult[]>>>
    beforeAll(async () => {
      wine = await openWine()
      const runs = Object.values(PROGRAMS).map(([name]) => [name, wine.run(name)] as const)
      results = Object.fromEntries(runs)
      await Promise.allSettled(Object.values(results))
    }, 1_800_000)
    afterAll(() => wine?.[Symbol.asyncDispose]())

    test.each(Object.entries(PROGRAMS))('%s: every case holds', async (_what, [name, atLeast]) => {
      const cases = (await results[name]) ?? []
      const ran = cases.filter(([, result]) => !result.startsWith('skipped: '))
      expect(ran.filter(([, result]) => result !== 'passed')).toEqual([])
      expect(ran.length).toBeGreaterThanOrEqual(atLeast)
    })
  },
)
