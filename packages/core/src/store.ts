/**
 * The layer store's own interface; `openStore` makes one.
 *
 * @module
 */
import type { Change, Driver, KeptMount, Mount } from './driver.ts'
import type { CacheID, ChainID, DiffID } from './ids.ts'
import type { Annotations, Descriptor, Durability, LayerRecord, MountRecord } from './metadata.ts'
import type { ByteSource, CallOptions } from './streams.ts'

/** A layer that a release removed. */
export interface RemovedLayer {
  readonly chainID: ChainID
  readonly diffID: DiffID
  /** Size of the whole chain, in bytes. */
  readonly size: number
  readonly diffSize: number
}

/**
 * One counted reference to a read-only layer. Mounts and streams that were begun keep the layer by
 * themselves; once the handle was given back, none can be begun (`ERR_LAYER_NOT_RETAINED`).
 *
 * Disposing of it gives the reference back and removes nothing; `LayerStore.release` gives it back
 * and removes the layer if it was the last.
 */
export interface Layer extends AsyncDisposable, LayerRecord {
  /** Size of the whole chain, in bytes. */
  readonly size: number
  /** Layers in the chain, this one included. */
  readonly depth: number
  /**
   * The very bytes that were registered. The stream ends in an error, never in a short clean end,
   * if they cannot be given back (`ERR_CORRUPT_LAYER`, `ERR_CORRUPT_RECORD`, `ERR_DIGEST_MISMATCH`).
   */
  tar(options?: CallOptions): ReadableStream<Uint8Array>
  /**
   * The difference from an ancestor as one layer tar; from `undefined`, the whole file system.
   *
   * @throws LayerError `ERR_INVALID_ARGUMENT` if `ancestor` is not beneath this layer
   */
  tarFrom(ancestor: ChainID | undefined, options?: CallOptions): ReadableStream<Uint8Array>
  /** The chain, this layer first, base last. */
  chain(): Promise<readonly LayerRecord[]>
  /** A read-only view of the file system that the chain makes. */
  mount(options?: CallOptions): Promise<Mount>
}

/** How {@link LayerStore.register} takes a layer. */
export interface RegisterOptions extends CallOptions {
  /** The chain that it stands on. */
  readonly parent?: ChainID
  /** Refuse the layer unless its DiffID is this. */
  readonly expect?: DiffID
  /** Kept with the layer. */
  readonly descriptor?: Descriptor
  /** Default `full`. */
  readonly durability?: Durability
}

/** How {@link LayerStore.createRW} makes a read-write layer. */
export interface CreateRWOptions extends CallOptions {
  readonly parent?: ChainID
  readonly mountLabel?: string
  readonly storageOptions?: Readonly<Record<string, string>>
  /** Kept with the layer. */
  readonly annotations?: Annotations
  /** A layer tar, uncompressed, that is applied on it before anybody else sees it. */
  readonly changes?: ByteSource
  /**
   * Changes the file system before anybody else sees it (Docker puts `/etc/hosts`, `/dev/console`
   * and the like there). What it changes is no change of the read-write layer.
   */
  readonly init?: (path: string) => Promise<void> | void
}

/** How {@link RWLayer.mount} mounts. */
export interface MountRWOptions extends CallOptions {
  readonly mountLabel?: string
  /** Only to look at; nothing can be changed through it. */
  readonly readOnly?: boolean
  /**
   * The mount outlives its disposal and the process, until `unmount` was called as often or the
   * machine restarts.
   */
  readonly keep?: boolean
}

/** How {@link RWLayer.fork} copies. */
export interface ForkOptions extends CallOptions {
  /** Default: those of the layer that is copied. */
  readonly annotations?: Annotations
  readonly mountLabel?: string
  readonly storageOptions?: Readonly<Record<string, string>>
}

/**
 * One counted reference to a read-write layer; disposing of it removes nothing. As long as it is
 * mounted, read or changed, through any handle, it is not removed (`ERR_MOUNT_IN_USE`).
 */
export interface RWLayer extends AsyncDisposable, MountRecord {
  /**
   * Mounts it; disposed of as often as called, it is unmounted.
   *
   * @throws LayerError `ERR_NOT_SUPPORTED` to keep a mount with a driver that cannot
   */
  mount(options?: MountRWOptions): Promise<Mount>
  /**
   * Ends one kept mount, or all of them.
   *
   * @returns how many are left
   * @throws LayerError `ERR_MOUNT_NOT_FOUND` if none is kept
   */
  unmount(
    options?: CallOptions & { readonly readOnly?: boolean; readonly all?: boolean },
  ): Promise<number>
  /** Its mounts that are kept: a writable one, a read-only one, both or none. */
  kept(): Promise<readonly KeptMount[]>
  /** Bytes by which it differs from what it stands on. */
  size(options?: CallOptions): Promise<number>
  changes(options?: CallOptions): AsyncIterable<Change>
  /** Its difference as a layer tar. */
  tar(options?: CallOptions): ReadableStream<Uint8Array>
  /** Applies a layer tar on its present state. */
  applyDiff(tar: ByteSource, options?: CallOptions): Promise<number>
  /** Registers its present state as a read-only layer on the same parent. */
  commit(options?: CallOptions & { readonly durability?: Durability }): Promise<Layer>
  /**
   * A second read-write layer on the same parent, which starts with the present state of this one.
   *
   * @throws LayerError `ERR_MOUNT_NAME_CONFLICT`; nothing is left behind
   */
  fork(name: string, options?: ForkOptions): Promise<RWLayer>
  /**
   * Throws all changes away, what `init` prepared excepted: all of them or none.
   *
   * @throws LayerError `ERR_MOUNT_IN_USE` if it is mounted, or used by another process
   */
  reset(options?: CallOptions): Promise<void>
}

/** Something that `check` found. */
export interface Problem {
  readonly kind:
    | 'damaged-metadata'
    | 'missing-parent'
    | 'missing-data'
    | 'altered-data'
    | 'digest-mismatch'
    | 'unreferenced-data'
    | 'interrupted'
  /** ChainID, mount name or driver id. */
  readonly subject: string
  readonly message: string
  /** Whether `repair` was asked for and did away with it. */
  readonly repaired: boolean
}

/** How {@link LayerStore.check} looks. */
export interface CheckOptions extends CallOptions {
  /** Also read every byte: digests, and each file's metadata where the driver can compare it. */
  readonly full?: boolean
  /**
   * Set damaged layers aside, and what stands on them, and sweep what nothing refers to; except for
   * layers whose files are also those of a read-write layer, or of another process. Files of a
   * read-write layer are never deleted, and one whose parent is gone stays listed: load the parent
   * again.
   */
  readonly repair?: boolean
  /**
   * With `repair`: from where a layer's tar, uncompressed, can be had again, best first. A damaged
   * layer is then made anew in place, beneath all that stands on it, instead of being set aside, of
   * the first tar that has its DiffID.
   */
  readonly sources?: (layer: LayerRecord) => AsyncIterable<ByteSource>
}

/** What {@link LayerStore.gc} keeps. */
export interface GcOptions extends CallOptions {
  /** ChainIDs that somebody outside the store still needs, as images do. */
  readonly keep: Iterable<ChainID>
  /** Only tell. */
  readonly dryRun?: boolean
}

/**
 * See `openStore`.
 *
 * Disposing of it waits for the calls that are under way, which an abort of their signals hastens,
 * and refuses new ones (`ERR_CLOSED`); streams and listings that are not read to their end fail then
 * with `ERR_CLOSED` at their next step, and mounts end.
 */
export interface LayerStore extends AsyncDisposable {
  readonly driver: Driver
  /**
   * Takes a layer from its uncompressed tar. If the same chain exists already, nothing is kept
   * twice and a reference to the existing one is returned.
   *
   * @throws LayerError `ERR_LAYER_NOT_FOUND` (parent), `ERR_MAX_DEPTH`, `ERR_DIGEST_MISMATCH`,
   *   `ERR_INVALID_TAR`, `ERR_TRUNCATED`, `ERR_UNSAFE_PATH`, `ERR_NO_SPACE`, `ERR_ABORTED`, …;
   *   nothing is left behind
   */
  register(tar: ByteSource, options?: RegisterOptions): Promise<Layer>
  /** A new reference. @throws LayerError `ERR_LAYER_NOT_FOUND`, `ERR_CORRUPT_METADATA` */
  get(id: ChainID): Promise<Layer>
  /** Whether there is a healthy layer of that ChainID. */
  has(id: ChainID): Promise<boolean>
  /** Every healthy layer, in no order. */
  layers(): AsyncIterable<LayerRecord>
  /**
   * Gives a reference back and removes the layer, then its parents, as far as nothing else refers
   * to them.
   *
   * @returns what was removed, child first
   * @throws LayerError `ERR_LAYER_NOT_RETAINED` for a reference that was given back before
   */
  release(layer: Layer): Promise<readonly RemovedLayer[]>

  /**
   * @throws LayerError `ERR_MOUNT_NAME_CONFLICT`, `ERR_LAYER_NOT_FOUND`, `ERR_MAX_DEPTH`; nothing is
   *   left behind
   */
  createRW(name: string, options?: CreateRWOptions): Promise<RWLayer>
  /** A new reference. @throws LayerError `ERR_MOUNT_NOT_FOUND` */
  getRW(name: string): Promise<RWLayer>
  /** @throws LayerError `ERR_MOUNT_NOT_FOUND` */
  mountID(name: string): Promise<CacheID>
  /** Every read-write layer, in no order. */
  rwLayers(): AsyncIterable<MountRecord>
  /**
   * Gives a reference back; the last one removes the read-write layer and what only it needed. If
   * that fails the reference is still good, so that it can be tried again; except for
   * `ERR_CLEANUP_FAILED`: the layer is gone then, and the next opening deletes what is left of it.
   *
   * @throws LayerError `ERR_LAYER_NOT_RETAINED`, `ERR_MOUNT_IN_USE`, `ERR_CLEANUP_FAILED`
   */
  releaseRW(layer: RWLayer): Promise<readonly RemovedLayer[]>

  /** Puts `deferred` layers on stable storage. */
  sync(): Promise<void>
  /** Finishes or undoes what dead processes left, and removes driver layers that nothing knows. */
  cleanup(): Promise<readonly string[]>
  /** Removes every layer that no reference, child, read-write layer or `keep` needs. */
  gc(options: GcOptions): Promise<readonly RemovedLayer[]>
  check(options?: CheckOptions): AsyncIterable<Problem>
}
