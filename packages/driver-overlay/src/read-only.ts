import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { type CacheID, type Driver, LayerError, type Mount, type MountOptions } from '@varve/core'
import type { View } from '@varve/overlayfs'
import { type NativeCalls, UMOUNT } from '@varve/sys'
import { isThere, readOnlyDriver, refuseChanges } from '@varve/trees'
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
 * As `readOnlyDriver` of `@varve/trees`; its mounts are nowhere in the tree, but can be reached
 * through this process.
 *
 * @param place closed with it
 */
export function readOnlyOverlay(driver: OverlayDriver, parts: Parts, place: View): Driver {
  const { root, layer } = parts.home
  const mount = async (id: CacheID, { keep }: MountOptions = {}): Promise<Mount> => {
    // It would be written down beside the layer.
    if (keep) return refuseChanges(root)()
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
  return readOnlyDriver(driver, root, {
    mount,
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]()
      place[Symbol.dispose]()
    },
  })
}
