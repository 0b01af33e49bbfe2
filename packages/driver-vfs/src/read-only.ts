import type { Driver } from '@varve/core'
import { fileSystemOf, refuseChanges } from '@varve/trees'
import type { VfsDriver } from './vfs-driver.ts'

/**
 * A driver over layers that somebody else keeps, Docker's for example: it reads, and refuses what
 * would change a file.
 */
export function readOnlyDriver(driver: VfsDriver, root: string): Driver {
  const refuse = refuseChanges(root)
  return {
    name: driver.name,
    capabilities: driver.capabilities,
    create: refuse,
    createReadWrite: refuse,
    remove: refuse,
    applyDiff: refuse,
    reset: refuse,
    replace: refuse,
    exists: (id) => driver.exists(id),
    list: () => driver.list(),
    // What is kept is written down.
    mount: (id, options) =>
      options?.keep ? refuse() : driver.mount(id, { ...options, readOnly: true }),
    diff: (id, parent, options) => driver.diff(id, parent, options),
    changes: (id, parent, options) => driver.changes(id, parent, options),
    diffSize: (id, parent, options) => driver.diffSize(id, parent, options),
    files: (id) => driver.files(id),
    verify: (id, tar, options) => driver.verify(id, tar, options),
    // Nothing can have been written through it.
    sync: async () => {},
    cleanup: async () => [],
    status: async () => ({ 'Backing Filesystem': await fileSystemOf(root) }),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  }
}
