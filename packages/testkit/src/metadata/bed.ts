import type { CacheID, MountRecord } from '@varve/core'
import {
  asChainID,
  asDiffID,
  type ChainID,
  chainIDOf,
  type Damage,
  type Durability,
  digestOf,
  type LayerRecord,
  type MetadataStore,
  newCacheID,
} from '@varve/core'

/** One place where metadata is kept, empty at first, and what can befall it. */
export interface MetadataBed extends AsyncDisposable {
  /** One more instance on it, as one more process would open; disposed of by the case. */
  open(): Promise<MetadataStore>
  /** Ends an instance as SIGKILL ends a process. Without it those cases are left out. */
  crash?(store: MetadataStore): Promise<void>
  /** Makes the metadata of a layer or mount unusable. Without it those cases are left out. */
  damage?(kind: Damage['kind'], subject: string): Promise<void>
  /** Makes the machine seem to have restarted. Without it those cases are left out. */
  reboot?(): Promise<void>
}

/** One rule of the metadata contract. */
export interface MetadataCase {
  readonly name: string
  /** What the bed must be able to do. */
  readonly needs?: 'crash' | 'damage' | 'reboot'
  readonly run: (kit: MetadataKit) => Promise<void>
}

/** A record of a layer that nobody has, on `parent`. */
export function someLayer(parent?: ChainID, size = 7): LayerRecord {
  const diffID = asDiffID(digestOf(newCacheID()))
  return {
    chainID: chainIDOf(parent, diffID),
    diffID,
    cacheID: newCacheID(),
    diffSize: size,
    ...(parent === undefined ? {} : { parent }),
  }
}

/** A record of a read-write layer. */
export function someMount(name: string, rest: Partial<MountRecord> = {}): MountRecord {
  return { name, mountID: newCacheID(), ...rest }
}

/** A ChainID that no layer has. */
export function someChainID(): ChainID {
  return asChainID(digestOf(newCacheID()))
}

/** A bed and the short forms that cases are written in. */
export class MetadataKit {
  readonly bed: MetadataBed
  readonly #open: MetadataStore[] = []

  constructor(bed: MetadataBed) {
    this.bed = bed
  }

  async open(): Promise<MetadataStore> {
    const store = await this.bed.open()
    this.#open.push(store)
    return store
  }

  async crash(store: MetadataStore): Promise<void> {
    this.#open.splice(this.#open.indexOf(store), 1)
    await this.bed.crash?.(store)
  }

  async close(store: MetadataStore): Promise<void> {
    this.#open.splice(this.#open.indexOf(store), 1)
    await store[Symbol.asyncDispose]()
  }

  async end(): Promise<void> {
    for (const store of this.#open.splice(0)) await store[Symbol.asyncDispose]()
  }

  /** Publishes a layer and gives its record. */
  async layer(
    store: MetadataStore,
    record: LayerRecord = someLayer(),
    { tarSplit, durability = 'full' }: { tarSplit?: string; durability?: Durability } = {},
  ): Promise<LayerRecord> {
    await using transaction = await store.begin([record.cacheID])
    if (tarSplit !== undefined) {
      const sink = transaction.tarSplit()
      await sink.write(new TextEncoder().encode(tarSplit))
      await sink.close()
    }
    await transaction.stageLayer(record, durability)
    const published = await store.lock('exclusive', () => transaction.publish())
    if (!published) throw new Error('the layer was there already')
    return record
  }

  /** Publishes a read-write layer and gives its record. */
  async mount(store: MetadataStore, record: MountRecord): Promise<MountRecord> {
    const ids: CacheID[] = record.initID ? [record.mountID, record.initID] : [record.mountID]
    await using transaction = await store.begin(ids)
    await transaction.stageMount(record)
    const published = await store.lock('exclusive', () => transaction.publish())
    if (!published) throw new Error('the mount was there already')
    return record
  }
}
