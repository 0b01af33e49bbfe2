import { isDigest, LayerError } from '@varve/core'
import { allRecords, type ImageContext, recordsOf } from '../context.ts'
import { describeImage, describeLayers } from '../describe.ts'
import { chainsOf, readConfig, readConfigs, type StoredConfig } from '../disk/config-files.ts'
import type { StoredManifest } from '../disk/image-files.ts'
import type { HistoryStep, Image, ImageDetails, ImageID } from '../types/image.ts'
import { resolve } from './resolve.ts'

/** See `ImageStore.get`. */
export async function getImage(ctx: ImageContext, ref: string): Promise<ImageDetails> {
  const { files, store } = ctx
  const tags = await files.tags()
  const { id } = await resolve(files, tags, ref)
  const stored = await readConfig(files.paths, id)
  const records = await recordsOf(store, chainsOf(stored.config))
  const manifest = await files.manifest(id)
  const lastUpdated = await files.metadata(id, 'lastUpdated')
  const parent = await files.metadata(id, 'parent')
  return {
    ...describeImage(stored, tags, records, manifest?.digest),
    config: stored.config,
    configBytes: stored.bytes,
    manifestBytes: manifest?.bytes,
    layers: await describeLayers(files, stored.config, records, manifest),
    lastUpdated: lastUpdated === undefined ? undefined : new Date(lastUpdated),
    parent: isDigest(parent) ? (parent as ImageID) : undefined,
  }
}

/** See `ImageStore.list`. */
export async function listImages({ files, store }: ImageContext): Promise<Image[]> {
  const tags = await files.tags()
  const records = await allRecords(store)
  const images: Image[] = []
  for (const stored of await readConfigs(files.paths)) {
    const manifest = await manifestIfSound(stored, (id) => files.manifest(id))
    images.push(describeImage(stored, tags, records, manifest?.digest))
  }
  return images.sort((a, b) => (b.created?.getTime() ?? 0) - (a.created?.getTime() ?? 0))
}

/** A damaged manifest is no reason to list nothing; `check` reports it. */
async function manifestIfSound(
  { id }: StoredConfig,
  read: (id: ImageID) => Promise<StoredManifest | undefined>,
): Promise<StoredManifest | undefined> {
  try {
    return await read(id)
  } catch (error) {
    if (LayerError.is(error, 'ERR_CORRUPT_METADATA')) return undefined
    throw error
  }
}

/** See `ImageStore.history`. */
export async function imageHistory(ctx: ImageContext, ref: string): Promise<HistoryStep[]> {
  const { config, layers } = await getImage(ctx, ref)
  const entries = config.history ?? []
  const filled = entries.filter((entry) => !entry.empty_layer).length
  // A history that does not fit the layers tells nothing of which step made which.
  if (filled !== layers.length) {
    const steps = layers.map((layer) => ({ layer }))
    return [...steps, ...entries.map((entry) => ({ ...entry, layer: undefined }))].reverse()
  }
  const rest = [...layers]
  return entries
    .map((entry) => ({ ...entry, layer: entry.empty_layer ? undefined : rest.shift() }))
    .reverse()
}
