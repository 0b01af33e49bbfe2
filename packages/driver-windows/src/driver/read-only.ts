import { refuseChanges } from '@varve/trees'
import type { WindowsDriver } from './windows-driver.ts'

/** A driver over layers that somebody else keeps: it reads, and refuses what would change a file. */
export function readOnlyDriver(driver: WindowsDriver, root: string): WindowsDriver {
  const refuse = refuseChanges(root)
  return {
    name: driver.name,
    capabilities: driver.capabilities,
    create: refuse,
    createReadWrite: refuse,
    remove: refuse,
    applyDiff: refuse,
    baseImages: refuse,
    exists: (id) => driver.exists(id),
    list: () => driver.list(),
    mount: (id, options) => driver.mount(id, { ...options, readOnly: true }),
    diff: (id, parent, options) => driver.diff(id, parent, options),
    changes: (id, parent, options) => driver.changes(id, parent, options),
    diffSize: (id, parent, options) => driver.diffSize(id, parent, options),
    files: (id) => driver.files(id),
    // Nothing can have been written through it.
    sync: async () => {},
    cleanup: async () => [],
    status: () => driver.status(),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  }
}
