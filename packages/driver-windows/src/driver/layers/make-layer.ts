import { asCacheID, type CacheID, cleanUp, type DriverCreateOptions, LayerError } from '@varve/core'
import { notFound, wrapHcs } from '../errors.ts'
import type { Parts } from '../parts.ts'
import { chainOn } from './chains.ts'

/** Makes a layer to be filled from a tar, with all that its parent has. */
export async function makeLayer(
  parts: Parts,
  id: CacheID,
  { parent }: DriverCreateOptions,
): Promise<void> {
  const { service } = parts
  await make(parts, id, parent, async () => {
    if (parent === undefined) {
      await service.createLayer(id, '')
      return []
    }
    const below = await service.home.resolve(parent)
    const chain = await chainOn(service, below)
    await service.createLayer(id, below)
    return chain
  })
}

/** The frame of all that make a layer: what was begun is destroyed when it fails. */
export async function make(
  { service }: Parts,
  id: CacheID,
  parent: CacheID | undefined,
  begin: () => Promise<readonly string[]>,
): Promise<void> {
  const { home } = service
  const attempt = `Cannot create layer ${asCacheID(id)}`
  const data = { id, ...(parent === undefined ? {} : { parent: asCacheID(parent) }) }
  if (await home.has(id)) {
    throw new LayerError('ERR_INVALID_ARGUMENT', `${attempt}: it exists already`, { data })
  }
  try {
    const chain = await begin()
    // Somebody may have removed the parent meanwhile.
    if (parent !== undefined && !(await home.has(parent))) throw notFound(parent)
    await home.setChain(id, chain)
  } catch (error) {
    throw await cleanUp(wrapHcs(error, attempt, data), async () => {
      if (await home.has(id)) await service.destroy(id)
    })
  }
}
