/**
 * The binding and the driver on it, in a Node for Windows under wine, with a vmcompute.dll of our own:
 * `children/on-windows.ts` is what runs there.
 */
import process from 'node:process'
import { expect, test } from 'vitest'
import { hasWine, openWine } from './wine.ts'

test.skipIf(!hasWine && !process.env.CI)(
  'the binding of Windows holds under wine (needs wine64 and gcc-mingw-w64-x86-64)',
  async () => {
    await using wine = await openWine()
    const results = JSON.parse(await wine.run('on-windows')) as [string, string][]
    expect(results.length).toBeGreaterThan(6)
    expect(results.filter(([, result]) => result !== 'passed')).toEqual([])
  },
  180_000,
)
