import type { ChainID, RemovedLayer } from '@varve/core'
import { allRecords, type ImageContext } from '../context.ts'
import { sweepBlobs, unneededBlobs } from '../disk/blobs.ts'
import { chainOf, chainsOf, readConfigs } from '../disk/config-files.ts'
import type { TagTable } from '../disk/tag-table.ts'
import { keepTarSizes } from '../disk/tar-sizes.ts'
import type { Pruned, PruneOptions, RemovedImages } from '../types/changes.ts'
import type { ImageID } from '../types/image.ts'
import { deleteImages, namesOf } from './removal.ts'

/** See `ImageStore.prune`. */
export async function prune(ctx: ImageContext, options: PruneOptions = {}): Promise<Pruned> {
  const { files, store } = ctx
  const { signal, dryRun = false } = options
  await using work = dryRun ? undefined : await files.work()
  const plan = async (): Promise<Pruned> => {
    const table = await files.tags()
    const ids = await unusedImages(ctx, table, options.all ?? false)
    const blobs = await unneededBlobs(files, new Set(ids))
    const removed: RemovedImages = work
      ? await deleteImages(ctx, work, table, ids)
      : await foretell(ctx, table, ids)
    const keep = await rootsWithout(ctx, new Set(ids))
    const layers = await store.gc({ keep, dryRun, ...(signal ? { signal } : {}) })
    if (!dryRun) {
      await sweepBlobs(files)
      const configs = await readConfigs(files.paths)
      await keepTarSizes(files, new Set(configs.flatMap(({ config }) => config.rootfs.diff_ids)))
    }
    const known = new Set(removed.layers.map(({ chainID }) => chainID))
    const all = [...removed.layers, ...layers.filter(({ chainID }) => !known.has(chainID))]
    return {
      ...removed,
      layers: all,
      blobs: blobs.map(({ digest }) => digest),
      freed: sum(all.map(({ diffSize }) => diffSize)) + sum(blobs.map(({ size }) => size)),
    }
  }
  // Only telling takes no lock, so that it works in a store that may only be read.
  return await (dryRun ? plan() : files.exclusively(plan, signal))
}

/** What `deleteImages` would do. */
async function foretell(
  { files, store }: ImageContext,
  table: TagTable,
  ids: readonly ImageID[],
): Promise<RemovedImages> {
  const records = await allRecords(store)
  const needed = new Set<ChainID>()
  const need = (top: ChainID | undefined): void => {
    for (let id = top; id !== undefined; id = records.get(id)?.parent) needed.add(id)
  }
  const configs = await readConfigs(files.paths)
  for (const { id, config } of configs) if (!ids.includes(id)) need(chainOf(config))
  for await (const { parent } of store.rwLayers()) need(parent)

  const layers = new Map<ChainID, RemovedLayer>()
  for (const { id, config } of configs) {
    if (!ids.includes(id)) continue
    let size = 0
    for (const chainID of chainsOf(config)) {
      const record = records.get(chainID)
      if (!record) break
      size += record.diffSize
      const { diffID, diffSize } = record
      if (!needed.has(chainID)) layers.set(chainID, { chainID, diffID, size, diffSize })
    }
  }
  return {
    untagged: ids.flatMap((id) => namesOf(table, id)),
    deleted: ids,
    layers: [...layers.values()].reverse(),
  }
}

/** Images without a name; with `all`, also those on which no read-write layer stands. */
async function unusedImages(
  { files, store }: ImageContext,
  table: TagTable,
  all: boolean,
): Promise<ImageID[]> {
  const used = new Set<ChainID | undefined>()
  for await (const { parent } of store.rwLayers()) used.add(parent)
  return (await readConfigs(files.paths))
    .filter(({ id }) => all || namesOf(table, id).length === 0)
    .filter(({ config }) => chainOf(config) === undefined || !used.has(chainOf(config)))
    .map(({ id }) => id)
}

/** ChainIDs that the other images need. */
async function rootsWithout(
  { files }: ImageContext,
  gone: ReadonlySet<ImageID>,
): Promise<ChainID[]> {
  return (await readConfigs(files.paths))
    .filter(({ id }) => !gone.has(id))
    .flatMap(({ config }) => chainOf(config) ?? [])
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
