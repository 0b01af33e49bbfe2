import type { Driver } from '@varve/core'
import { refuseChanges } from './home.ts'

/**
 * A driver over layers that somebody else keeps, Docker's for example: it reads, and refuses with
 * `ERR_PERMISSION` what would change a file.
 *
 * @param root what it says may not be changed
 * @param own what this driver does in a way of its own
 */
export function readOnlyDriver(driver: Driver, root: string, own: Partial<Driver> = {}): Driver {
  const refuse = refuseChanges(root)
  const { reset, replace, files, verify } = driver
  return {
    name: driver.name,
    capabilities: driver.capabilities,
    create: refuse,
    createReadWrite: refuse,
    remove: refuse,
    applyDiff: refuse,
    ...(reset && { reset: refuse }),
    ...(replace && { replace: refuse }),
    exists: (id) => driver.exists(id),
    list: () => driver.list(),
    // What is kept is written down.
    mount: (id, options) =>
      options?.keep ? refuse() : driver.mount(id, { ...options, readOnly: true }),
    diff: (id, parent, options) => driver.diff(id, parent, options),
    changes: (id, parent, options) => driver.changes(id, parent, options),
    diffSize: (id, parent, options) => driver.diffSize(id, parent, options),
    ...(files && { files: (id) => files.call(driver, id) }),
    ...(verify && { verify: (id, tar, options) => verify.call(driver, id, tar, options) }),
    // Nothing can have been written through it.
    sync: async () => {},
    cleanup: async () => [],
    status: () => driver.status(),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
    ...own,
  }
}
