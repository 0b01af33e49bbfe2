import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { asCacheID, type CacheID } from '@varve/core'
import { removeTree } from '../../layer/remove-tree.ts'
import { wrapHcs } from '../errors.ts'
import { REMOVING, RESETTING } from '../home.ts'
import type { Parts } from '../parts.ts'
import type { Service } from '../service.ts'

/** How Windows refuses to rename a folder in which something is open. */
const BUSY: ReadonlySet<string> = new Set(['EPERM', 'EBUSY', 'EACCES'])

/** Removes a layer, finished or not; without that id, nothing. */
export async function removeLayer({ service, uses, compat }: Parts, id: CacheID): Promise<void> {
  const { home } = service
  const attempt = `Cannot remove layer ${asCacheID(id)}`
  try {
    await uses.settle(id, attempt, 'Unmount it, then remove the layer again')
    if (!(await home.has(id))) return
    const fresh = id + RESETTING
    if (await home.has(fresh)) await service.destroy(fresh)
    if (compat === 'v1.11') {
      await removeInPlace(service, id)
    } else {
      // Renamed first, so that one half deleted is never taken for a layer.
      await setAside(service, id)
      await service.destroy(id + REMOVING)
    }
    uses.forget(id)
  } catch (error) {
    throw wrapHcs(error, attempt, { id })
  }
}

/** Docker 1.11's way; of a layer with a second name both are removed. */
async function removeInPlace(service: Service, id: CacheID): Promise<void> {
  const { home } = service
  const name = await home.resolve(id)
  await removeTree(join(home.root, 'sysfile-backups', name))
  await service.destroy(name)
  if (name !== id) await removeTree(home.dir(id))
}

async function setAside(service: Service, id: CacheID): Promise<void> {
  const { home } = service
  const from = home.dir(id)
  const to = home.dir(id + REMOVING)
  await removeTree(to)
  try {
    await rename(from, to)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (!BUSY.has(code) || !(await home.isReadWrite(id))) throw error
    // A dead owner's disk is still attached.
    await service.detach(home.disk(id))
    await rename(from, to)
  }
}
