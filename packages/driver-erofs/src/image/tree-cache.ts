import type { CacheID } from '@varve/core'
import { loadTree, type Tree } from '@varve/erofs'
import type { Home } from '../home.ts'
import { openImage } from './open-image.ts'

/** Trees of more names than that are read again rather than kept: this is 30 MB. */
const MAX_NAMES = 100_000

/**
 * Keeps the tree of the layer that was written last: an image's layers are registered one after the
 * other, each on the one before.
 */
export class TreeCache {
  #last: { readonly id: CacheID; readonly tree: Tree } | undefined

  /** The tree of a layer's image, to be changed by who takes it. */
  async take(home: Home, id: CacheID): Promise<Tree> {
    const last = this.#last
    if (last?.id === id) {
      this.#last = undefined
      return last.tree
    }
    await using file = await openImage(home, id)
    return await loadTree(file, { tag: id })
  }

  /** Keeps what was written as `id`, which has that many blocks. */
  keep(id: CacheID, tree: Tree, blocks: number): void {
    tree.devices.push({ tag: id, blocks })
    this.#last = tree.names.count <= MAX_NAMES ? { id, tree } : undefined
  }

  /** Forgets a layer that is no more. */
  drop(id: CacheID): void {
    if (this.#last?.id === id) this.#last = undefined
  }
}
