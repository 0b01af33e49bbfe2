import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { type CacheID, type Driver, LayerError, type Mount, type MountOptions } from '@varve/core'
import type { View } from '@varve/overlayfs'
import { type NativeCalls, UMOUNT } from '@varve/sys'
import { isThere, refuseChanges } from '@varve/trees'
import { viewLayer } from './layers/layer-mounts.ts'
import type { OverlayDriver } from './overlay-driver.ts'
import type { Parts } from './parts.ts'

/** A file system in memory, to try things out on without touching anybody's. */
export function memoryPlace(native: NativeCalls): View {
  const path = mkdtempSync(join(tmpdir(), 'varve-overlay-'))
  const bytes = new TextEncoder().encode(path)
  native.mount(new TextEncoder().encode('tmpfs'), bytes, 'tmpfs', 0, 'mode=0700')
  let open = true
  return {
    path,
    [Symbol.dispose]() {
      if (open) native.umount2(bytes, UMOUNT.DETACH | UMOUNT.NOFOLLOW)
      if (open) rmdirSync(path)
      open = false
    },
  }
}

/**
 * A driver over layers that somebody else keeps, Docker's for example: it reads, and refuses what
 * would change a file. Its mounts are nowhere in the tree, but can be reached through this process.
 *
 * @param place closed with it
 */
export function readOnlyDriver(driver: OverlayDriver, parts: Parts, place: View): Driver {
  const { root, layer } = parts.home
  const refuse = refuseChanges(root)
  const mount = async (id: CacheID, { keep }: MountOptions = {}): Promise<Mount> => {
    // It would be written down beside the layer.
    if (keep) return refuse()
    if (!(await isThere(layer(id)))) {
      throw new LayerError('ERR_LAYER_NOT_FOUND', `Cannot find layer ${id}`, { data: { id } })
    }
    const view = await viewLayer(parts, id)
    let open = true
    return {
      path: view.path.replace(/^\/proc\/self\//, `/proc/${process.pid}/`),
      readOnly: true,
      async [Symbol.asyncDispose]() {
        if (open) view[Symbol.dispose]()
        open = false
      },
    }
  }
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
    mount,
    diff: (id, parent, options) => driver.diff(id, parent, options),
    changes: (id, parent, options) => driver.changes(id, parent, options),
    diffSize: (id, parent, options) => driver.diffSize(id, parent, options),
    files: (id) => driver.files(id),
    verify: (id, tar, options) => driver.verify(id, tar, options),
    // Nothing can have been written through it.
    sync: async () => {},
    cleanup: async () => [],
    status: () => driver.status(),
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]()
      place[Symbol.dispose]()
    },
  }
}
