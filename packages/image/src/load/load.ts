import { type ByteSource, cleanUp, LayerError } from '@varve/core'
import type { ImageContext } from '../context.ts'
import { recordsOf } from '../context.ts'
import { describeImage, describeLayers, platformOf } from '../describe.ts'
import { chainsOf } from '../disk/config-files.ts'
import { toPlainTag } from '../manage/tagging.ts'
import { formatPlatform, hostPlatform, parsePlatform, platformScore } from '../platform.ts'
import { nameOfSource, openTree } from '../source/open-tree.ts'
import { readSource } from '../source/read-source.ts'
import type { SourceImage } from '../source/source-image.ts'
import type { Platform } from '../types/image.ts'
import type { LoadedImage, LoadOptions } from '../types/transfer.ts'
import { LayerIntake } from './layer-intake.ts'
import { publishImages } from './publish.ts'
import { finishJournal } from './undo.ts'

/** See `ImageStore.load`. */
export async function load(
  ctx: ImageContext,
  source: string | ByteSource,
  options: LoadOptions = {},
): Promise<readonly LoadedImage[]> {
  const { signal } = options
  const asked = options.platform === undefined ? undefined : parsePlatform(options.platform)
  const tags = options.tags?.map(toPlainTag)
  await using work = await ctx.files.work()
  await using tree = await openTree(source, { scratch: () => work.scratch(), signal })
  const found = await readSource(tree, {
    platform: asked ?? hostPlatform(),
    platformAsked: asked !== undefined,
    repository: nameOfSource(source),
    signal,
  })
  const images = retag(asked ? forPlatform(found, asked, tree.label) : found, tags)

  const intake = new LayerIntake(ctx, work, options)
  try {
    await intake.takeAll(images)
    const existed = await publishImages(ctx, work, {
      images,
      blobs: intake.blobs,
      replaceManifests: options.keepBlobs ?? false,
      signal,
    })
    const loaded: LoadedImage[] = []
    for (const image of images) {
      loaded.push(await describeLoaded(ctx, image, intake, existed.has(image.id)))
    }
    await intake[Symbol.asyncDispose]()
    return loaded
  } catch (error) {
    throw await cleanUp(
      error,
      () => intake[Symbol.asyncDispose](),
      () => finishJournal(ctx, intake.journal),
    )
  }
}

function forPlatform(
  images: readonly SourceImage[],
  asked: Platform,
  label: string,
): readonly SourceImage[] {
  const fitting = images.filter(({ config }) => platformScore(asked, platformOf(config)) > 0)
  if (fitting.length > 0) return fitting
  const offered = [...new Set(images.map(({ config }) => formatPlatform(platformOf(config))))]
  throw new LayerError(
    'ERR_IMAGE_NOT_FOUND',
    `Cannot read ${label}: no image for ${formatPlatform(asked)}`,
    { data: { offered }, hint: `There are images for ${offered.join(', ')}` },
  )
}

function retag(
  images: readonly SourceImage[],
  tags: readonly string[] | undefined,
): readonly SourceImage[] {
  if (!tags) return images
  const [only, ...more] = images
  if (only && more.length === 0) return [{ ...only, tags }]
  throw new LayerError(
    'ERR_INVALID_ARGUMENT',
    `Cannot give tags to what is loaded: there are ${images.length} images`,
  )
}

async function describeLoaded(
  ctx: ImageContext,
  { id, config }: SourceImage,
  intake: LayerIntake,
  existed: boolean,
): Promise<LoadedImage> {
  const records = await recordsOf(ctx.store, chainsOf(config))
  const manifest = await ctx.files.manifest(id)
  const image = describeImage({ id, config }, await ctx.files.tags(), records, manifest?.digest)
  const layers = await describeLayers(ctx.files, config, records, manifest)
  return {
    ...image,
    existed,
    layers: layers.map((layer) => ({ ...layer, existed: intake.existed(layer.chainID) })),
  }
}
