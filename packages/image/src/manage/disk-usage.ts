import type { ChainID } from '@varve/core'
import { allRecords, type ImageContext } from '../context.ts'
import { unneededBlobs } from '../disk/blobs.ts'
import { chainsOf, readConfigs } from '../disk/config-files.ts'
import type { DiskUsage } from '../types/condition.ts'
import { prune } from './prune.ts'
import { listImages } from './query.ts'

/** See `ImageStore.diskUsage`. */
export async function diskUsage(ctx: ImageContext): Promise<DiskUsage> {
  const { files, store } = ctx
  const records = await allRecords(store)
  const stacks = new Map(
    (await readConfigs(files.paths)).map(({ id, config }) => [id, chainsOf(config)] as const),
  )
  const users = new Map<ChainID, number>()
  for (const chains of stacks.values()) {
    for (const chain of chains) users.set(chain, (users.get(chain) ?? 0) + 1)
  }
  const sizeOf = (chains: readonly ChainID[]): number =>
    chains.reduce((sum, chain) => sum + (records.get(chain)?.diffSize ?? 0), 0)

  const images = (await listImages(ctx)).map((image) => {
    const chains = stacks.get(image.id) ?? []
    const shared = sizeOf(chains.filter((chain) => (users.get(chain) ?? 0) > 1))
    return { ...image, shared, unique: image.size - shared }
  })
  const layers = [...records.values()].map(({ chainID, diffID, diffSize }) => ({
    chainID,
    diffID,
    size: diffSize,
    images: users.get(chainID) ?? 0,
  }))
  let blobBytes = 0
  const digests = await files.blobs()
  for (const digest of digests) blobBytes += (await files.blobSize(digest)) ?? 0
  const unused = (await unneededBlobs(files)).reduce((sum, { size }) => sum + size, 0)
  return {
    images,
    layers,
    blobs: { count: digests.length, size: blobBytes, unused },
    total: sizeOf([...records.keys()]),
    reclaimable: (await prune(ctx, { dryRun: true })).freed,
  }
}
