import type { ChainID, Digest, LayerRecord } from '@varve/core'
import { chainOf, chainsOf, type StoredConfig } from './disk/config-files.ts'
import type { ImageFiles, StoredManifest } from './disk/image-files.ts'
import type { TagTable } from './disk/tag-table.ts'
import { toDescriptor } from './document/descriptor.ts'
import { hostPlatform } from './platform.ts'
import type { Image, ImageConfig, ImageLayer, Platform } from './types/image.ts'

/** An image as callers see it. */
export function describeImage(
  { id, config }: Pick<StoredConfig, 'id' | 'config'>,
  tags: TagTable,
  records: ReadonlyMap<ChainID, LayerRecord>,
  manifest: Digest | undefined,
): Image {
  const names = tags.entries().flatMap(([name, target]) => (target === id ? [name] : []))
  return {
    id,
    tags: names.filter((name) => !name.includes('@')),
    digests: names.filter((name) => name.includes('@')),
    created: dateOf(config.created),
    platform: platformOf(config),
    diffIDs: config.rootfs.diff_ids,
    chainID: chainOf(config),
    size: chainsOf(config).reduce((sum, chain) => sum + (records.get(chain)?.diffSize ?? 0), 0),
    manifest,
  }
}

/** An image's layers, base first. */
export async function describeLayers(
  files: ImageFiles,
  config: ImageConfig,
  records: ReadonlyMap<ChainID, LayerRecord>,
  manifest: StoredManifest | undefined,
): Promise<ImageLayer[]> {
  const layers: ImageLayer[] = []
  for (const [index, chainID] of chainsOf(config).entries()) {
    const parsed = manifest?.manifest.layers[index]
    const blob = parsed && toDescriptor(parsed)
    layers.push({
      diffID: config.rootfs.diff_ids[index] as ImageLayer['diffID'],
      chainID,
      size: records.get(chainID)?.diffSize,
      blob,
      blobKept: blob !== undefined && (await files.blobSize(blob.digest)) === blob.size,
    })
  }
  return layers
}

/** A configuration's platform; Docker takes what is missing for this machine's. */
export function platformOf(config: ImageConfig): Platform {
  const host = hostPlatform()
  return {
    os: config.os || host.os,
    architecture: config.architecture || host.architecture,
    ...(config.variant ? { variant: config.variant } : {}),
  }
}

function dateOf(text: string | undefined): Date | undefined {
  const date = new Date(text ?? Number.NaN)
  return Number.isNaN(date.getTime()) ? undefined : date
}
