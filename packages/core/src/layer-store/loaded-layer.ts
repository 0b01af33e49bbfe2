import { LayerError } from '../errors.ts'
import type { ChainID } from '../ids.ts'
import type { LayerRecord } from '../metadata.ts'

/** A layer's record and what follows from its chain. */
export interface LoadedLayer {
  readonly record: LayerRecord
  /** Layers in the chain, this one included. */
  readonly depth: number
  /** Bytes of the whole chain. */
  readonly size: number
}

/** `ERR_LAYER_NOT_FOUND` for a ChainID. */
export function layerNotFound(id: ChainID, attempt: string): LayerError {
  return new LayerError('ERR_LAYER_NOT_FOUND', `${attempt}: layer ${id} does not exist`, {
    data: { chainID: id },
    hint: 'The layers that exist are listed by varve layer ls',
  })
}
