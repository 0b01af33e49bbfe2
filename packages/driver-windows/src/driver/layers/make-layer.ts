import {
  asCacheID,
  type CacheID,
  cleanUp,
  type DriverCreateOptions,
  type DriverCreateReadWriteOptions,
  LayerError,
} from '@varve/core'
import { notFound, wrapHcs } from '../errors.ts'
import type { Parts } from '../parts.ts'
import type { Service } from '../service.ts'
import { sandboxSizeOf } from '../storage-options.ts'
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

/** Makes a scratch layer: a disk of the wanted size, on layers with files. */
export async function makeReadWriteLayer(
  parts: Parts,
  id: CacheID,
  options: DriverCreateReadWriteOptions,
): Promise<void> {
  const { service, compat } = parts
  const { parent, storageOptions, copyOf } = options
  if (copyOf !== undefined) {
    await service.home.find(copyOf)
    throw new LayerError('ERR_NOT_SUPPORTED', `Cannot create layer ${id} as a copy of ${copyOf}`, {
      data: { id, copyOf },
      hint: 'Commit the layer and make a new one on it',
    })
  }
  const size = sandboxSizeOf(storageOptions)
  await make(parts, id, parent, async () => {
    const chain = parent === undefined ? [] : await scratchChain(service, parent)
    if (chain.length === 0) {
      throw new LayerError(
        'ERR_NOT_SUPPORTED',
        `Cannot create read-write layer ${id}: it needs a parent with files`,
        { data: { id }, hint: 'Windows has no read-write layer but on a base image' },
      )
    }
    await service.createSandbox(id, compat === 'v1.11' ? chain[0] : undefined, chain)
    if (compat === 'current' || storageOptions !== undefined) await service.expand(id, size)
    if (compat === 'current') await service.extendVolume(id)
    return chain
  })
}

/** A read-write layer, Docker's init layer for one, has no files that others could stand on. */
async function scratchChain(service: Service, parent: CacheID): Promise<string[]> {
  const { home } = service
  const below = await home.resolve(parent)
  if (await home.hasFiles(below)) return await chainOn(service, below)
  const chain = await home.chain(below)
  if (chain.length === 0 && !(await home.has(below))) throw notFound(below)
  return chain
}

/** The frame of both: what was begun is destroyed when it fails. */
async function make(
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
