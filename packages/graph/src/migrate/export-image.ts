import { type CallOptions, callOptions, LayerError, type LayerStore } from '@varve/core'
import { type ImageDetails, type ImageStore, v1ChainOf } from '@varve/image'
import type { Graph } from '../types.ts'

/** Where {@link exportImage} takes an image from. */
export interface ExportOptions extends CallOptions {
  readonly store: LayerStore
  readonly images: Pick<ImageStore, 'get'>
  /** Tags to give in place of those that the image has. */
  readonly tags?: readonly string[]
}

/** An image of the layer store that is in the graph now. */
export interface ExportedImage {
  /** In the graph. */
  readonly id: string
  /** Every image of its chain, base first; `existed` says that the graph had it before. */
  readonly layers: readonly { readonly id: string; readonly existed: boolean }[]
  readonly tags: readonly string[]
}

/**
 * Puts an image of the layer store into a graph, for Docker up to 1.9: one v1 image for each layer,
 * with ids that follow from what they name, so that the same image always gets the same ids. Named
 * by a tag it gets that tag, otherwise all that it has.
 *
 * Migrated again it has the same layers, and, if it came out of a graph, the same id.
 *
 * @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID`, `ERR_LAYER_NOT_FOUND`,
 *   `ERR_INVALID_IMAGE` for an image without layers, and what `Layer.tar` and `Graph.register` throw
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openStore } from '@varve/core'
 * import { exportImage, openGraph } from '@varve/graph'
 * import { imageRoots, openImages } from '@varve/image'
 * import { memoryDriver, memoryMetadata } from '@varve/testkit'
 *
 * const root = await mkdtemp(join(tmpdir(), 'graph-'))
 * const where = { root: join(root, 'new'), driver: 'memory' }
 * await using store = await openStore({
 *   driver: memoryDriver(),
 *   metadata: memoryMetadata(),
 *   retained: () => imageRoots(where),
 * })
 * await using images = await openImages({ ...where, store })
 * await images.load('image.tar', { tags: ['demo:1'] })
 *
 * const old = { root: join(root, 'graph'), repositories: join(root, 'repositories') }
 * await using graph = await openGraph({ ...old, driver: memoryDriver() })
 * const { id } = await exportImage(graph, 'demo:1', { store, images })
 * console.assert((await graph.tags()).get('demo:1') === id)
 * ```
 */
export async function exportImage(
  graph: Graph,
  ref: string,
  options: ExportOptions,
): Promise<ExportedImage> {
  const { images } = options
  const image = await images.get(ref)
  const chain = v1ChainOf(image.configBytes, image.config)
  const top = chain.at(-1)
  if (!top) {
    throw new LayerError('ERR_INVALID_IMAGE', `Cannot export ${ref}: it has no layers`, {
      data: { id: image.id },
    })
  }
  const layers: { id: string; existed: boolean }[] = []
  const session = `export ${image.id}`
  const ids = chain.map(({ id }) => id)
  await graph.retain(session, ...ids)
  try {
    for (const [index, one] of chain.entries()) {
      const existed = await graph.exists(one.id)
      if (!existed) await exportLayer(graph, image, index, one, options)
      layers.push({ id: one.id, existed })
    }
    const tags = options.tags ?? tagsFor(image, ref)
    for (const tag of tags) await graph.tag(top.id, tag)
    return { id: top.id, layers, tags }
  } finally {
    await graph.release(session, ...ids)
  }
}

async function exportLayer(
  graph: Graph,
  image: ImageDetails,
  index: number,
  { id, parent, json }: ReturnType<typeof v1ChainOf>[number],
  options: ExportOptions,
): Promise<void> {
  const { chainID, blob } = image.layers[index] as ImageDetails['layers'][number]
  await using layer = await options.store.get(chainID)
  await graph.register(
    { id, json, ...(parent === undefined ? {} : { parent }) },
    layer.tar(callOptions(options)),
    options.signal ? { signal: options.signal } : {},
  )
  if (blob) await graph.setDigest(id, blob.digest)
}

function tagsFor(image: ImageDetails, ref: string): readonly string[] {
  const named = image.tags.find((tag) => tag === ref || tag === `${ref}:latest`)
  return named === undefined ? image.tags : [named]
}
