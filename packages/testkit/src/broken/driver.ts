import type { Driver } from '@varve/core'
import { DRIVER_FAULTS } from './driver/driver-faults.ts'
import { withMethods } from './replace.ts'

/** Everything that a {@link brokenDriver} can do wrong, in words. */
export const driverFaults: readonly string[] = Object.keys(DRIVER_FAULTS)

/**
 * A driver that commits one class of fault, to prove that a suite notices.
 *
 * @param fault one of {@link driverFaults}
 *
 * @example
 * ```ts
 * import { brokenDriver, collectCases, driverSuite, memoryDriver } from '@varve/testkit'
 *
 * const { test, run } = collectCases()
 * const factory = () => brokenDriver('forgets whiteouts', memoryDriver())
 * await driverSuite({ test, factory })
 * const results = await run('whiteout of a file')
 * console.assert(results.some(({ error }) => error !== undefined))
 * ```
 */
export function brokenDriver(fault: string, driver: Driver): Driver {
  const breakIt = DRIVER_FAULTS[fault]
  if (!breakIt) throw new TypeError(`no such fault: ${fault}`)
  return withMethods(driver, breakIt(driver))
}
