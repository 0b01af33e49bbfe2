import { type ChainID, chainIDOf, type DiffID, digestOf } from '@varve/core'

/** What the store must look like, as a plain value: the oracle of the model test. */
export class StoreModel {
  /** Every layer there is, and what it stands on. */
  readonly layers = new Map<ChainID, ChainID | undefined>()
  /** Every read-write layer there is, and what it stands on. */
  readonly mounts = new Map<string, ChainID | undefined>()
  /** Counted references of this process. */
  readonly handles = new Map<ChainID, number>()

  register(parent: ChainID | undefined, tar: Uint8Array): ChainID {
    const id = chainIDOf(parent, digestOf(tar) as DiffID)
    if (!this.layers.has(id)) this.layers.set(id, parent)
    this.take(id)
    return id
  }

  take(id: ChainID): void {
    this.handles.set(id, (this.handles.get(id) ?? 0) + 1)
  }

  /** A reference is given back without removing anything. */
  dispose(id: ChainID): void {
    const count = (this.handles.get(id) ?? 0) - 1
    if (count > 0) this.handles.set(id, count)
    else this.handles.delete(id)
  }

  /** A reference is given back; returns what is removed, child first. */
  release(id: ChainID): ChainID[] {
    this.dispose(id)
    return this.#removeUnused(id)
  }

  releaseRW(name: string): ChainID[] {
    const parent = this.mounts.get(name)
    this.mounts.delete(name)
    return parent === undefined ? [] : this.#removeUnused(parent)
  }

  gc(keep: ReadonlySet<ChainID>): Set<ChainID> {
    const removed = new Set<ChainID>()
    for (const id of [...this.layers.keys()]) {
      for (const gone of this.#removeUnused(id, keep)) removed.add(gone)
    }
    return removed
  }

  /** The process ends: its references go, everything else stays. */
  restart(): void {
    this.handles.clear()
  }

  #isUsed(id: ChainID): boolean {
    if (this.handles.has(id)) return true
    const under = (parents: Iterable<ChainID | undefined>) => [...parents].includes(id)
    return under(this.layers.values()) || under(this.mounts.values())
  }

  #removeUnused(start: ChainID, keep: ReadonlySet<ChainID> = new Set()): ChainID[] {
    const removed: ChainID[] = []
    let id: ChainID | undefined = start
    while (id !== undefined && this.layers.has(id) && !this.#isUsed(id) && !keep.has(id)) {
      const parent: ChainID | undefined = this.layers.get(id)
      this.layers.delete(id)
      removed.push(id)
      id = parent
    }
    return removed
  }
}
