import type { ChainID } from '@varve/core'
import { openSys } from '@varve/sys'
import type { ImageContext } from './context.ts'
import { chainOf, readConfigs } from './disk/config-files.ts'
import { ImageFiles } from './disk/image-files.ts'
import { imagePaths } from './disk/paths.ts'
import { load } from './load/load.ts'
import { recover } from './load/undo.ts'
import { addImage } from './manage/add.ts'
import { checkImages } from './manage/check.ts'
import { commitImage } from './manage/commit.ts'
import { copyFrom } from './manage/copy-from.ts'
import { diskUsage } from './manage/disk-usage.ts'
import { layerSources } from './manage/layer-sources.ts'
import { prune } from './manage/prune.ts'
import { getImage, imageHistory, listImages } from './manage/query.ts'
import { removeImage } from './manage/removal.ts'
import { tagImage, untagImage } from './manage/tagging.ts'
import type { ImageStore, OpenImagesOptions } from './types/store.ts'
import { archive, save } from './write/save.ts'

/**
 * Opens the images of a store. What a process that died in the middle of a load or a removal left
 * is cleared away first, unless another one is at work.
 *
 * Give the layer store {@link imageRoots} as what it must retain, so that nobody who releases a
 * layer takes it from an image.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` (driver), `ERR_CORRUPT_METADATA`, `ERR_PERMISSION`
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openStore } from '@varve/core'
 * import { imageRoots, openImages } from '@varve/image'
 * import { memoryDriver, memoryMetadata } from '@varve/testkit'
 *
 * const root = await mkdtemp(join(tmpdir(), 'images-'))
 * const where = { root, driver: 'memory' }
 * await using store = await openStore({
 *   driver: memoryDriver(),
 *   metadata: memoryMetadata(),
 *   retained: () => imageRoots(where),
 * })
 * await using images = await openImages({ ...where, store })
 * const [loaded] = await images.load('image.tar', { tags: ['mine:1'] })
 * console.assert((await images.get('mine:1')).id === loaded?.id)
 * ```
 */
export async function openImages(options: OpenImagesOptions): Promise<ImageStore> {
  const { root, driver, store } = options
  const files = new ImageFiles(imagePaths(root, driver), options.sys ?? openSys())
  const ctx: ImageContext = { files, store }
  await recover(ctx, options.onRecovered ?? (() => undefined))
  return {
    load: (source, o) => load(ctx, source, o),
    save: (refs, to, o) => save(ctx, refs, to, o),
    archive: (refs, o) => archive(ctx, refs, o),
    get: (ref) => getImage(ctx, ref),
    list: () => listImages(ctx),
    history: (ref) => imageHistory(ctx, ref),
    tag: (ref, tag) => tagImage(ctx, ref, tag),
    untag: (tag) => untagImage(ctx, tag),
    remove: (ref, o) => removeImage(ctx, ref, o),
    commit: (layer, o) => commitImage(ctx, layer, o),
    add: (config, o) => addImage(ctx, config, o),
    copyFrom: (o) => copyFrom(ctx, o),
    roots: async () => [...(await imageRoots({ root, driver }))],
    prune: (o) => prune(ctx, o),
    diskUsage: () => diskUsage(ctx),
    layerSources: (from, o) => layerSources(ctx, from ?? [], o),
    check: (o) => checkImages(ctx, o),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/**
 * ChainIDs that the images of a store need, read from its files alone: it takes no lock and needs
 * no open store, so it serves as `openStore`'s `retained`.
 *
 * @example
 * ```ts
 * import { imageRoots } from '@varve/image'
 *
 * const roots = await imageRoots({ root: 'no-store-yet', driver: 'vfs' })
 * console.assert(roots.size === 0)
 * ```
 */
export async function imageRoots(
  options: Pick<OpenImagesOptions, 'root' | 'driver'>,
): Promise<ReadonlySet<ChainID>> {
  const configs = await readConfigs(imagePaths(options.root, options.driver))
  return new Set(configs.flatMap(({ config }) => chainOf(config) ?? []))
}
