import type { CacheID } from '@varve/core'
import type { TreeDirectory } from './directory.ts'
import type { Node } from './tree.ts'

/** A layer of {@link memoryDriver}. */
export interface MemoryLayer {
  root: Node
  readonly parent: CacheID | undefined
  readonly readWrite: boolean
  /** The tar that was applied, if it is kept. */
  tar?: Uint8Array
  /** Where it is written out while it is mounted. */
  shown?: Promise<TreeDirectory>
  mounts: number
  /** How often a mount is kept: writable, read-only. */
  readonly kept: [number, number]
}

/** The layers that several {@link memoryDriver} instances share, as processes share a disk. */
export interface MemoryLayers {
  /** How many there are. */
  readonly size: number
}

/** No layers yet, for {@link memoryDriver}. */
export function memoryLayers(): MemoryLayers {
  return new Map<CacheID, MemoryLayer>()
}

/** Takes over what was changed in a read-write layer where it is shown. */
export async function takeBack(layer: MemoryLayer): Promise<void> {
  const shown = await layer.shown
  if (shown && layer.readWrite) layer.root = await shown.read(layer.root)
}

/** Takes away what is shown of a layer. */
export async function hide(layer: MemoryLayer): Promise<void> {
  const shown = await layer.shown
  await takeBack(layer)
  delete layer.shown
  await shown?.remove()
}
