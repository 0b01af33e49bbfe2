import type { Driver } from '@varve/core'
import { refuseChanges } from '@varve/trees'
import type { ErofsDriver } from './erofs-driver.ts'

/**
 * A driver over layers that somebody else keeps: it gives back, lists and checks, and refuses what
 * would change a file. It mounts nothing, because that needs places in the home.
 */
export function readOnlyDriver(driver: ErofsDriver, root: string): Driver {
  const refuse = refuseChanges(root)
  return {
    name: driver.name,
    capabilities: driver.capabilities,
    create: refuse,
    createReadWrite: refuse,
    remove: refuse,
    applyDiff: refuse,
    replace: refuse,
    exists: (id) => driver.exists(id),
    list: () => driver.list(),
    mount: (id, options) => driver.mount(id, options),
    diff: (id, parent, options) => driver.diff(id, parent, options),
    changes: (id, parent, options) => driver.changes(id, parent, options),
    diffSize: (id, parent, options) => driver.diffSize(id, parent, options),
    verify: (id) => driver.verify(id),
    // Nothing can have been written through it.
    sync: async () => {},
    cleanup: async () => [],
    status: () => driver.status(),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  }
}
