import { digestOf } from '@varve/core'
import { type ImageContext, recordsOf } from '../context.ts'
import { describeImage } from '../describe.ts'
import { chainOf, chainsOf } from '../disk/config-files.ts'
import { publishImages } from '../load/publish.ts'
import { parseConfig } from '../source/manifest.ts'
import type { AddedImage, AddOptions } from '../types/changes.ts'
import type { ImageID } from '../types/image.ts'
import { toPlainTag } from './tagging.ts'

/** See `ImageStore.add`. */
export async function addImage(
  ctx: ImageContext,
  configBytes: Uint8Array,
  { tags = [], parent, signal }: AddOptions = {},
): Promise<AddedImage> {
  const { files, store } = ctx
  const names = tags.map(toPlainTag)
  const config = parseConfig(configBytes, 'the configuration of an image')
  const id = digestOf(configBytes) as ImageID
  const chain = chainOf(config)
  await using work = await files.work()
  // Held until the image needs it, so that nobody removes it meanwhile.
  await using _held = chain === undefined ? undefined : await store.get(chain)
  const existed = await publishImages(ctx, work, {
    images: [{ id, configBytes, manifest: undefined, tags: names }],
    blobs: [],
    replaceManifests: false,
    signal,
    ...(parent === undefined ? {} : { parents: new Map([[id, parent]]) }),
  })
  const records = await recordsOf(store, chainsOf(config))
  const manifest = await files.manifest(id)
  const image = describeImage({ id, config }, await files.tags(), records, manifest?.digest)
  return { ...image, existed: existed.has(id) }
}
