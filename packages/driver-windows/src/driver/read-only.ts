import { readOnlyDriver as readOnly, refuseChanges } from '@varve/trees'
import type { WindowsDriver } from './windows-driver.ts'

/** As `readOnlyDriver` of `@varve/trees`; base images cannot be made known to it either. */
export function readOnlyDriver(driver: WindowsDriver, root: string): WindowsDriver {
  return {
    ...readOnly(driver, root),
    files: (id) => driver.files(id),
    verify: (id, tar, options) => driver.verify(id, tar, options),
    reset: refuseChanges(root),
    baseImages: refuseChanges(root),
  }
}
