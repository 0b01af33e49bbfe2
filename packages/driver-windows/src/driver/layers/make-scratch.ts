import { type CacheID, type DriverCreateReadWriteOptions, LayerError } from '@varve/core'
import { notFound } from '../errors.ts'
import type { Parts } from '../parts.ts'
import type { Service } from '../service.ts'
import { DEFAULT_SIZE, sandboxSizeOf } from '../storage-options.ts'
import { chainOn } from './chains.ts'
import { make } from './make-layer.ts'

/** Makes a scratch layer: a disk of the wanted size, on layers with files. */
export async function makeReadWriteLayer(
  parts: Parts,
  id: CacheID,
  { parent, storageOptions, copyOf }: DriverCreateReadWriteOptions,
): Promise<void> {
  const { service } = parts
  const { home } = service
  if (copyOf !== undefined) await checkOriginal(parts, id, copyOf)
  const asked = sandboxSizeOf(storageOptions)
  await make(parts, id, parent, async () => {
    const chain = parent === undefined ? [] : await scratchChain(service, parent)
    if (chain.length === 0) {
      throw new LayerError(
        'ERR_NOT_SUPPORTED',
        `Cannot create read-write layer ${id}: it needs a parent with files`,
        { data: { id }, hint: 'Windows has no read-write layer but on a base image' },
      )
    }
    if (copyOf === undefined) await makeScratch(parts, id, chain, asked)
    else await copyScratch(parts, id, chain, copyOf, asked)
    const size = asked ?? (copyOf && (await home.size(copyOf)))
    if (size !== undefined) await home.setSize(id, size)
    return chain
  })
}

/**
 * Makes a new disk.
 *
 * @param asked its size in bytes; today's Docker gives one to every disk, 1.11 where it was asked to
 */
export async function makeScratch(
  parts: Parts,
  name: string,
  chain: readonly string[],
  asked: bigint | undefined,
): Promise<void> {
  const { service, compat } = parts
  await service.createSandbox(name, compat === 'v1.11' ? chain[0] : undefined, chain)
  const size = asked ?? (compat === 'current' ? DEFAULT_SIZE : undefined)
  if (size !== undefined) await grow(parts, name, size)
}

async function copyScratch(
  parts: Parts,
  id: string,
  chain: readonly string[],
  original: CacheID,
  asked: bigint | undefined,
): Promise<void> {
  const { service, compat } = parts
  const name = await service.home.resolve(original)
  const own = await service.home.chain(name)
  if (own.length !== chain.length || own.some((path, i) => path !== chain[i])) {
    throw new LayerError(
      'ERR_NOT_SUPPORTED',
      `Cannot create layer ${id} as a copy of ${original}: that one stands on other layers`,
      { data: { id, copyOf: original }, hint: 'Copy it on the parent that it has' },
    )
  }
  await service.createSandbox(id, compat === 'v1.11' ? chain[0] : undefined, chain)
  await service.copyDisk(name, id)
  if (asked !== undefined) await grow(parts, id, asked)
}

async function grow({ service, compat }: Parts, name: string, bytes: bigint): Promise<void> {
  await service.expand(name, bytes)
  if (compat === 'current') await service.extendVolume(name)
}

/** A disk that is in use is never whole. */
async function checkOriginal(
  { service, uses }: Parts,
  id: CacheID,
  original: CacheID,
): Promise<void> {
  await service.home.find(original)
  const attempt = `Cannot create layer ${id} as a copy of ${original}`
  const data = { id, copyOf: original }
  if (!(await service.home.isReadWrite(await service.home.resolve(original)))) {
    throw new LayerError('ERR_INVALID_ARGUMENT', `${attempt}: that is a read-only layer`, { data })
  }
  const hint = 'Unmount it first: Windows gives nobody else a disk that is in use'
  await uses.settle(original, attempt, hint)
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
