/**
 * The metadata contract: who remembers which layers there are.
 *
 * Several processes may use one store at once. What keeps them apart:
 *
 * - **The lock**, held for the short time in which a decision is made and written down (publish a
 *   layer, take a reference, remove a layer); never while bytes of a layer are read or written.
 * - **Intents.** Before a driver makes anything, `begin` writes down its ids; before it removes
 *   anything, `retire` de-lists the layers. Both belong to the process that wrote them, for as long
 *   as it lives. What a dead process left is found by `interrupted` and finished or undone.
 * - **Holds.** A reference that a process has on a layer, gone with the process.
 * - **The revision**, different after every change, tells a process that what it remembers is stale.
 *
 * Life of a layer's metadata: `begin` → `tarSplit` written → `stageLayer` (durable, invisible) →
 * `publish` (visible at once or not at all) → `retire` (de-listed) → `finish` (gone).
 *
 * @module
 */

import type { RecordSink } from './codec.ts'
import type { CacheID, ChainID, DiffID, Digest } from './ids.ts'
import type { CallOptions } from './streams.ts'

/** Where a layer's blob came from (OCI image spec, "Descriptor"). */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly urls?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: Readonly<Record<string, unknown>>
}

/** What is remembered of a read-only layer. */
export interface LayerRecord {
  readonly chainID: ChainID
  readonly diffID: DiffID
  readonly parent?: ChainID
  readonly cacheID: CacheID
  /** This layer's own size in bytes, as its driver counted it. */
  readonly diffSize: number
  readonly descriptor?: Descriptor
}

/** What is remembered of a read-write layer. */
export interface MountRecord {
  /** As the user named it; one path component, see {@link asMountName}. */
  readonly name: string
  readonly mountID: CacheID
  readonly initID?: CacheID
  readonly parent?: ChainID
  /** What the user wants to remember of it, as the image that it was made from. */
  readonly annotations?: Annotations
}

/** Short texts by name, kept as they are; 64 KiB of JSON at most. */
export type Annotations = Readonly<Record<string, string>>

/**
 * How safe a layer is when its registration is acknowledged.
 * - `full`: on stable storage, files and metadata.
 * - `deferred`: after the next `LayerStore.sync()`; many layers then share one flush.
 * - `none`: whenever the system writes it back.
 *
 * Layers that are not yet safe are remembered, and verified at the first open after a reboot.
 */
export type Durability = 'full' | 'deferred' | 'none'

/** A change under way; leaving its scope unpublished undoes the metadata's side of it. */
export interface Transaction extends AsyncDisposable {
  /** Where the layer's record goes; `close` it before staging. */
  tarSplit(): RecordSink & { close(): Promise<void> }
  /** Replaces the record written so far by a rewritten one. */
  rewriteTarSplit(
    rewrite: (record: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  ): Promise<void>
  /** Writes a layer's metadata, invisible yet; on stable storage if `durability` is `full`. */
  stageLayer(record: LayerRecord, durability: Durability): Promise<void>
  /** Writes a read-write layer's metadata, invisible yet, on stable storage. */
  stageMount(record: MountRecord): Promise<void>
  /**
   * Makes what was staged visible, by one rename. Call it under the exclusive lock.
   *
   * @returns false if the name is taken by a healthy layer or mount: nothing was changed then.
   *   A damaged layer of that name is set aside and replaced.
   */
  publish(): Promise<boolean>
}

/** Something begun and not finished: a transaction or a removal. */
export interface Pending {
  readonly kind: 'register' | 'create' | 'remove' | 'remove-mount'
  /** The driver layers concerned; removed from the driver before `finish`. */
  readonly cacheIDs: readonly CacheID[]
  /** For people: what it was. */
  readonly subject: string
  /** Forgets it, once the driver has removed its layers. */
  finish(): Promise<void>
}

/** A removal that this process has begun. */
export interface Removal extends Pending {
  /** Lists the layers again: for a driver that could not remove them. */
  undo(): Promise<void>
}

/** A layer or mount whose metadata cannot be used. */
export interface Damage {
  readonly kind: 'layer' | 'mount'
  /** ChainID or mount name, as far as it can be told. */
  readonly subject: string
  /** What is wrong with it. */
  readonly reason: string
}

/** See the module's text. */
export interface MetadataStore extends AsyncDisposable {
  /** Runs `fn` alone (`exclusive`) or with other readers only (`shared`). Not re-entrant. */
  lock<T>(mode: 'shared' | 'exclusive', fn: () => Promise<T>, options?: CallOptions): Promise<T>
  /** Differs after every change to layers or mounts by anyone. Call it under the lock. */
  revision(): Promise<string>

  /** Writes down, durably, that these driver layers are about to be made. */
  begin(cacheIDs: readonly CacheID[], options?: CallOptions): Promise<Transaction>
  /** @throws LayerError `ERR_CORRUPT_METADATA` if it is there but damaged */
  layer(id: ChainID): Promise<LayerRecord | undefined>
  /** Every healthy layer, in no order. */
  layers(): AsyncIterable<LayerRecord>
  /** A layer's record, uncompressed. */
  tarSplit(id: ChainID): Promise<AsyncIterable<Uint8Array> | undefined>
  /**
   * De-lists layers, child first, all of them or (also if killed) none. Call it under the
   * exclusive lock, when nothing refers to them.
   */
  retire(ids: readonly ChainID[]): Promise<Removal>

  /** @throws LayerError `ERR_CORRUPT_METADATA` if it is there but damaged */
  mount(name: string): Promise<MountRecord | undefined>
  /** Every healthy read-write layer, in no order. */
  mounts(): AsyncIterable<MountRecord>
  /** De-lists a read-write layer. Call it under the exclusive lock. */
  retireMount(name: string): Promise<Removal>

  /**
   * This process begins to refer to something: a read-only layer by its ChainID, a read-write layer
   * by `sha256:` and its mountID. Call it under the lock.
   */
  hold(key: Digest): Promise<void>
  /** This process no longer refers to it. */
  unhold(key: Digest): Promise<void>
  /** Whether another living process holds it. Call it under the exclusive lock. */
  heldElsewhere(key: Digest): Promise<boolean>

  /**
   * Driver layers that nobody may sweep although they are not listed: of changes under way in any
   * living process, and of read-write layers that were set aside. Call it under the lock.
   */
  intended(): Promise<ReadonlySet<CacheID>>
  /** What dead processes left unfinished. Call it under the exclusive lock. */
  interrupted(): Promise<readonly Pending[]>
  /** Layers that may not have survived a power loss, the machine having restarted since. */
  unverified(): Promise<readonly ChainID[]>
  /** Layers published with less than `full` durability and not marked safe yet. */
  unsynced(): Promise<readonly ChainID[]>
  /** Puts these layers' metadata on stable storage and marks them safe. */
  markSynced(ids: readonly ChainID[]): Promise<void>
  /** Layers and mounts whose metadata is damaged. */
  damaged(): AsyncIterable<Damage>
  /** Moves a damaged layer's or mount's metadata out of the way; nothing is deleted. */
  setAside(damage: Pick<Damage, 'kind' | 'subject'>): Promise<void>
}
