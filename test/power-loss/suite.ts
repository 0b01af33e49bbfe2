import { openSys } from '@varve/sys'
import { expect, test } from 'vitest'
import type { FileSystem } from './file-systems.ts'
import { losePower, whyNot } from './power-loss.ts'

const torture = process.env.VARVE_TORTURE === '1'

const MINUTE = 60_000

/** How much is tried of each variant of the store. */
const AMOUNT = torture
  ? { recordings: 5, states: 200, samples: 6, timeout: 60 * MINUTE }
  : { recordings: 1, states: 16, samples: 2, timeout: 15 * MINUTE }

/** Everything in the C library, and only what the runtime itself offers. */
const SYSTEMS = {
  'one flush of the file system': () => openSys({ ffi: true }),
  'a flush of each file': () => openSys({ ffi: false }),
} as const

/** Why the tests are skipped, to be put into their names. */
export const reason: string | undefined = whyNot()

/** Tests the store on a file system. */
export function losePowerOn(fileSystem: FileSystem): void {
  for (const [how, openSystem] of Object.entries(SYSTEMS)) {
    test.skipIf(reason !== undefined)(
      `on ${fileSystem.name}, with ${how}, a power loss takes nothing that was acknowledged (${reason ?? 'as root'})`,
      async () => {
        const total = { recordings: 0, flushes: 0, possible: 0, tried: 0, unmountable: 0 }
        const bad: string[] = []
        for (let seed = 1; seed <= AMOUNT.recordings; seed++) {
          const result = await losePower(fileSystem, seed, { ...AMOUNT, sys: openSystem() })
          total.recordings++
          total.flushes += result.epochs
          total.possible += result.possible
          total.tried += result.tried
          total.unmountable += result.unmountable
          bad.push(...result.bad.map((text) => `recording ${seed}, ${text}`))
        }
        console.log(fileSystem.name, how, { ...total, bad: bad.length })
        expect(bad.slice(0, 5)).toEqual([])
        expect(total.tried).toBe(AMOUNT.recordings * AMOUNT.states)
        expect(total.unmountable).toBeLessThanOrEqual(total.tried / 5)
      },
      AMOUNT.timeout,
    )
  }
}
