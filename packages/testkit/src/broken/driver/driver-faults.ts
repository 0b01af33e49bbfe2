import { APPLY_FAULTS } from './apply-faults.ts'
import type { BreakDriver } from './break-driver.ts'
import { DIFF_FAULTS } from './diff-faults.ts'
import { LIFE_FAULTS } from './life-faults.ts'

/** By what such a driver does wrong: one class of fault each, as drivers have had them. */
export const DRIVER_FAULTS: Readonly<Record<string, BreakDriver>> = {
  ...APPLY_FAULTS,
  ...DIFF_FAULTS,
  ...LIFE_FAULTS,
}
