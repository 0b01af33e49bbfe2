import type { ChainID, LayerRecord } from '@varve/core'
import type { Image } from '@varve/image'
import { childrenOf, layersByID } from '../store/layers.ts'
import type { OpenedStore } from '../store/open.ts'
import { drawTree, type TreeNode } from '../terminal/tree.ts'
import { printable, shortID, sizeText } from '../terminal/words.ts'
import type { Verb } from '../verb.ts'

interface LayerNode {
  readonly layer: LayerRecord
  /** Images whose top layer this is. */
  readonly images: readonly Image[]
  readonly children: readonly LayerNode[]
}

/** `varve tree`: layers and the images on them. */
export const tree: Verb = (parent, app) => {
  parent
    .command('tree')
    .description('draw layers and the images on them')
    .argument('[image...]', 'only these (default: every layer)')
    .action(
      app.run(async (context, refs: readonly string[]) => {
        const roots = await buildTree(await context.open(), refs)
        if (context.options.json) {
          for (const root of roots) await context.out.json(toJSON(root))
        } else {
          for (const line of drawTree(roots.map(toText))) await context.out.line(line)
        }
        return undefined
      }),
    )
}

async function buildTree(opened: OpenedStore, refs: readonly string[]): Promise<LayerNode[]> {
  const layers = await layersByID(opened.store)
  const chosen =
    refs.length === 0
      ? await opened.images.list()
      : await Promise.all(refs.map((ref) => opened.images.get(ref)))
  const shown = refs.length === 0 ? layers : chainsOf(chosen, layers)
  const children = childrenOf(shown)
  const imagesOf = (id: ChainID): Image[] => chosen.filter((image) => image.chainID === id)
  const build = (layer: LayerRecord): LayerNode => ({
    layer,
    images: imagesOf(layer.chainID),
    // At most 125 layers deep, as the store sees to.
    children: (children.get(layer.chainID) ?? []).map(build),
  })
  return (children.get(undefined) ?? []).map(build)
}

function chainsOf(
  images: readonly Image[],
  layers: ReadonlyMap<ChainID, LayerRecord>,
): ReadonlyMap<ChainID, LayerRecord> {
  const shown = new Map<ChainID, LayerRecord>()
  for (const image of images) {
    let layer = image.chainID && layers.get(image.chainID)
    while (layer && !shown.has(layer.chainID)) {
      shown.set(layer.chainID, layer)
      layer = layer.parent && layers.get(layer.parent)
    }
  }
  return shown
}

function toText(node: LayerNode): TreeNode {
  const size = sizeText(node.layer.diffSize).padStart(8)
  const names = node.images.map((image) => image.tags.join(', ') || shortID(image.id))
  const mark = names.length > 0 ? `  ← ${printable(names.join(', '))}` : ''
  return {
    text: `${shortID(node.layer.chainID)} ${size}${mark}`,
    children: node.children.map(toText),
  }
}

function toJSON(node: LayerNode): Record<string, unknown> {
  const { chainID, diffID, diffSize } = node.layer
  return {
    chainID,
    diffID,
    size: diffSize,
    images: node.images.map(({ id, tags }) => ({ id, tags })),
    children: node.children.map(toJSON),
  }
}
