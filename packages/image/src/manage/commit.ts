import process from 'node:process'
import { chainIDOf, digestOf, LayerError, type LayerRecord } from '@varve/core'
import { type ImageContext, recordsOf } from '../context.ts'
import { describeImage } from '../describe.ts'
import { chainOf, chainsOf, readConfig, type StoredConfig } from '../disk/config-files.ts'
import { jsonBytes } from '../document/json.ts'
import { publishImages } from '../load/publish.ts'
import { hostPlatform, parsePlatform } from '../platform.ts'
import type { CommitOptions } from '../types/changes.ts'
import type { HistoryEntry, Image, ImageConfig, ImageID } from '../types/image.ts'
import { resolve } from './resolve.ts'
import { toPlainTag } from './tagging.ts'

/** See `ImageStore.commit`. */
export async function commitImage(
  ctx: ImageContext,
  layer: LayerRecord,
  options: CommitOptions = {},
): Promise<Image> {
  const { files, store } = ctx
  const tags = (options.tags ?? []).map(toPlainTag)
  await using work = await files.work()
  // Held until the image needs it, so that nobody removes it meanwhile.
  await using held = await store.get(layer.chainID)
  const base = options.base === undefined ? undefined : await readBase(ctx, options.base)
  const chain = await held.chain()
  const beneath = base?.config ?? bareConfig(chain.slice(1).reverse())
  const expected = chainIDOf(chainOf(beneath), layer.diffID)
  if (expected !== layer.chainID) {
    throw new LayerError(
      'ERR_INVALID_ARGUMENT',
      `Cannot commit layer ${layer.chainID}: it does not stand on ${options.base ?? 'nothing'}`,
      { data: { expected, actual: layer.chainID } },
    )
  }
  const config = configOnTop(beneath, layer, options)
  const configBytes = jsonBytes(config)
  const id = digestOf(configBytes) as ImageID
  await publishImages(ctx, work, {
    images: [{ id, configBytes, manifest: undefined, tags }],
    blobs: [],
    replaceManifests: false,
    signal: options.signal,
    ...(base ? { parents: new Map([[id, base.id]]) } : {}),
  })
  const records = await recordsOf(store, chainsOf(config))
  return describeImage({ id, config }, await files.tags(), records, undefined)
}

async function readBase({ files }: ImageContext, ref: string): Promise<StoredConfig> {
  const { id } = await resolve(files, await files.tags(), ref)
  return await readConfig(files.paths, id)
}

/** The base's configuration with one layer and one step of history more. */
function configOnTop(base: ImageConfig, layer: LayerRecord, options: CommitOptions): ImageConfig {
  const created = (options.created ?? defaultTime()).toISOString()
  const { author, message, createdBy } = options
  const step: HistoryEntry = {
    created,
    ...(createdBy === undefined ? {} : { created_by: createdBy }),
    ...(author === undefined ? {} : { author }),
    ...(message === undefined ? {} : { comment: message }),
  }
  // `container` and `container_config` tell of the build of the base, not of this image.
  const { container: _c, container_config: _cc, ...inherited } = base
  const config = { ...inherited.config, ...options.config }
  const all: ImageConfig = {
    ...inherited,
    ...(options.platform ? parsePlatform(options.platform) : {}),
    created,
    ...(author === undefined ? {} : { author }),
    ...(Object.keys(config).length > 0 ? { config } : {}),
    rootfs: { type: 'layers', diff_ids: [...inherited.rootfs.diff_ids, layer.diffID] },
    history: [...(inherited.history ?? []), step],
  }
  // In the order of Go's encoder, so that equal images have equal digests.
  const sorted = Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted) as unknown as ImageConfig
}

/** What can be said of layers that no image is known of, base first. */
function bareConfig(layers: readonly LayerRecord[]): ImageConfig {
  return {
    ...hostPlatform(),
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffID }) => diffID) },
    // Docker wants a step for each layer.
    history: layers.map(({ diffID }) => ({ created_by: `layer ${diffID}` })),
  }
}

/** Now, or what the environment says for builds that can be repeated (reproducible-builds.org). */
function defaultTime(): Date {
  const epoch = process.env.SOURCE_DATE_EPOCH
  return epoch !== undefined && /^\d{1,12}$/.test(epoch)
    ? new Date(Number(epoch) * 1000)
    : new Date()
}
