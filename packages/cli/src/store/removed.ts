import type { RemovedLayer } from '@varve/core'

/** Bytes that a removal of layers freed, as the driver counted them. */
export function removedSize(layers: readonly RemovedLayer[]): number {
  return layers.reduce((sum, layer) => sum + layer.diffSize, 0)
}
