import { rename } from 'node:fs/promises'
import { asCacheID, type CacheID, cleanUp, LayerError } from '@varve/core'
import { wrapHcs } from '../errors.ts'
import { RESETTING } from '../home.ts'
import type { Parts } from '../parts.ts'
import { makeScratch } from './make-scratch.ts'

/**
 * Throws a read-write layer's changes away: a new disk is made beside it, and takes the place of the
 * old one in a single step.
 */
export async function resetLayer(parts: Parts, id: CacheID): Promise<void> {
  const { service, uses } = parts
  const { home } = service
  const attempt = `Cannot reset layer ${asCacheID(id)}`
  await home.find(id)
  const name = await home.resolve(id)
  if (!(await home.isReadWrite(name))) {
    throw new LayerError('ERR_INVALID_ARGUMENT', `${attempt}: it is read-only`, { data: { id } })
  }
  const fresh = name + RESETTING
  const drop = async () => {
    if (await home.has(fresh)) await service.destroy(fresh)
  }
  try {
    await uses.settle(id, attempt, 'Unmount it, then reset the layer again')
    // What a killed process left of another try.
    await drop()
    await makeScratch(parts, fresh, await home.chain(name), await home.size(name))
    await rename(home.disk(fresh), home.disk(name))
  } catch (error) {
    throw await cleanUp(wrapHcs(error, attempt, { id }), drop)
  }
  try {
    await drop()
  } catch (error) {
    throw wrapHcs(error, `Cannot clear away what the reset of layer ${id} has left`, { id })
  }
}
