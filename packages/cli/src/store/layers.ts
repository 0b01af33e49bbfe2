/**
 * Layers by what a user types, and layers in their order.
 *
 * @module
 */
import { asChainID, type ChainID, LayerError, type LayerRecord, type LayerStore } from '@varve/core'

/** Every healthy layer, by its ChainID. */
export async function layersByID(store: LayerStore): Promise<ReadonlyMap<ChainID, LayerRecord>> {
  const layers = new Map<ChainID, LayerRecord>()
  for await (const layer of store.layers()) layers.set(layer.chainID, layer)
  return layers
}

/**
 * The ChainID that a user means: whole, or its beginning, with or without `sha256:`.
 *
 * @throws LayerError `ERR_LAYER_NOT_FOUND`, `ERR_AMBIGUOUS_ID`
 */
export async function resolveLayer(store: LayerStore, text: string): Promise<ChainID> {
  const hex = text.replace(/^sha256:/, '').toLowerCase()
  // A whole id is passed on even if it is not listed: the store says what is wrong with it.
  if (/^[a-f0-9]{64}$/.test(hex)) return asChainID(`sha256:${hex}`)
  const found: ChainID[] = []
  if (/^[a-f0-9]+$/.test(hex)) {
    for await (const { chainID } of store.layers()) {
      if (chainID.startsWith(`sha256:${hex}`)) found.push(chainID)
    }
  }
  const [only, ...others] = found
  if (only !== undefined && others.length === 0) return only
  if (only === undefined) {
    throw new LayerError('ERR_LAYER_NOT_FOUND', `Cannot find layer ${text}: there is none`, {
      data: { id: text },
      hint: 'varve layer ls --no-trunc lists the ChainIDs of all layers',
    })
  }
  throw new LayerError(
    'ERR_AMBIGUOUS_ID',
    `Cannot find layer ${text}: ${found.length} layers begin so`,
    { data: { id: text, found: found.slice(0, 10) }, hint: 'Give more of the ChainID' },
  )
}

/** How many layers a layer's chain has, by the records at hand. */
export function depthOf(id: ChainID, layers: ReadonlyMap<ChainID, LayerRecord>): number {
  let depth = 0
  let at: ChainID | undefined = id
  // A chain cannot be longer than there are layers, unless somebody tied it into a ring.
  while (at !== undefined && depth <= layers.size) {
    depth++
    at = layers.get(at)?.parent
  }
  return depth
}

/** Children of each layer; those of `undefined` are base layers, or their parent is missing. */
export function childrenOf(
  layers: ReadonlyMap<ChainID, LayerRecord>,
): ReadonlyMap<ChainID | undefined, readonly LayerRecord[]> {
  const children = new Map<ChainID | undefined, LayerRecord[]>()
  for (const layer of layers.values()) {
    const { parent } = layer
    const under = parent !== undefined && layers.has(parent) ? parent : undefined
    const siblings = children.get(under)
    if (siblings) siblings.push(layer)
    else children.set(under, [layer])
  }
  for (const siblings of children.values()) {
    siblings.sort((a, b) => (a.chainID < b.chainID ? -1 : 1))
  }
  return children
}
