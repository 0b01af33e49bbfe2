import { LayerError } from '../errors.ts'
import type { ChainID } from '../ids.ts'
import type { LayerRecord, MetadataStore } from '../metadata.ts'
import { type LoadedLayer, layerNotFound } from './loaded-layer.ts'

/**
 * What this process remembers of the metadata: layers it has read, and who stands on whom.
 *
 * Records are read when asked for, so that opening a large store costs nothing; the children are
 * counted by one scan when a removal first needs them. Both are forgotten as soon as the metadata's
 * revision says that somebody else changed something. All methods are called under the lock.
 */
export class LayerIndex {
  readonly #metadata: MetadataStore
  #revision: string | undefined
  #layers = new Map<ChainID, LoadedLayer>()
  #users: Map<ChainID, number> | undefined

  constructor(metadata: MetadataStore) {
    this.#metadata = metadata
  }

  /** Forgets everything that may be stale. */
  async refresh(): Promise<void> {
    const revision = await this.#metadata.revision()
    if (revision === this.#revision) return
    this.#layers = new Map()
    this.#users = undefined
    this.#revision = revision
  }

  /**
   * Runs a change that this process makes under the exclusive lock, then notes what it did, so that
   * a process's own changes do not make it read everything again.
   */
  async change<T>(make: () => Promise<T>, note: (result: T) => void): Promise<T> {
    await this.refresh()
    try {
      const result = await make()
      note(result)
      this.#revision = await this.#metadata.revision()
      return result
    } catch (error) {
      this.#revision = undefined
      throw error
    }
  }

  /** Forgets everything. */
  forget(): void {
    this.#revision = undefined
  }

  /** A layer was listed, on a parent that is loaded. */
  noteAdded(record: LayerRecord): void {
    const below = record.parent && this.#layers.get(record.parent)
    if (below || record.parent === undefined) {
      this.#layers.set(record.chainID, onTopOf(below || undefined, record))
    }
    const users = this.#users
    if (users && record.parent) users.set(record.parent, (users.get(record.parent) ?? 0) + 1)
    if (users && !users.has(record.chainID)) users.set(record.chainID, 0)
  }

  noteRemoved(record: LayerRecord): void {
    this.#layers.delete(record.chainID)
    this.#users?.delete(record.chainID)
    this.noteUnused(record.parent)
  }

  /** A read-write layer came to stand on `parent`. */
  noteUsed(parent: ChainID | undefined): void {
    const users = this.#users
    if (users && parent) users.set(parent, (users.get(parent) ?? 0) + 1)
  }

  noteUnused(parent: ChainID | undefined): void {
    const count = parent === undefined ? undefined : this.#users?.get(parent)
    if (parent !== undefined && count !== undefined) this.#users?.set(parent, count - 1)
  }

  /**
   * A layer with the depth and size of its chain.
   *
   * @throws LayerError `ERR_LAYER_NOT_FOUND`, `ERR_CORRUPT_METADATA`
   */
  async load(id: ChainID, attempt = 'Cannot read layer'): Promise<LoadedLayer> {
    const loaded = await this.find(id)
    if (loaded === undefined) throw layerNotFound(id, attempt)
    return loaded
  }

  /** Like {@link load}; undefined if there is no such layer. */
  async find(id: ChainID): Promise<LoadedLayer | undefined> {
    const missing: LayerRecord[] = []
    let next: ChainID | undefined = id
    let below: LoadedLayer | undefined
    while (next !== undefined) {
      below = this.#layers.get(next)
      if (below) break
      const record: LayerRecord | undefined = await this.#metadata.layer(next)
      if (record === undefined) {
        if (missing.length === 0) return undefined
        throw parentMissing(id, next)
      }
      missing.push(record)
      next = record.parent
    }
    for (const record of missing.reverse()) {
      below = onTopOf(below, record)
      this.#layers.set(record.chainID, below)
    }
    return below
  }

  /** How many layers and read-write layers stand directly on each layer. */
  async users(): Promise<ReadonlyMap<ChainID, number>> {
    await this.refresh()
    if (this.#users) return this.#users
    const users = new Map<ChainID, number>()
    const add = (id: ChainID, n: number) => users.set(id, (users.get(id) ?? 0) + n)
    for await (const layer of this.#metadata.layers()) {
      add(layer.chainID, 0)
      if (layer.parent) add(layer.parent, 1)
    }
    for await (const mount of this.#metadata.mounts()) if (mount.parent) add(mount.parent, 1)
    this.#users = users
    return users
  }
}

function onTopOf(below: LoadedLayer | undefined, record: LayerRecord): LoadedLayer {
  return {
    record,
    depth: (below?.depth ?? 0) + 1,
    size: (below?.size ?? 0) + record.diffSize,
  }
}

function parentMissing(id: ChainID, parent: ChainID): LayerError {
  return new LayerError(
    'ERR_CORRUPT_METADATA',
    `Cannot read layer ${id}: the layer ${parent} beneath it is missing`,
    {
      data: { chainID: id, parent },
      hint: 'Run varve check --repair, then load the image again',
    },
  )
}
