/**
 * The driver contract: who keeps the files.
 *
 * A driver keeps *driver layers*, each under a {@link CacheID} that the store made up. It knows no
 * ChainID, no reference count, no name: only a layer, the layer that it stands on, and files.
 *
 * Life of a read-only layer: `create(id, { parent })` makes it, empty on its parent; one
 * `applyDiff(id, parent, tar)` fills it; `sync([id])` puts it on stable storage; from then on it is
 * never changed, only `mount`ed read-only, `diff`ed, used as a parent, and `remove`d in the end.
 * Life of a read-write layer: `createReadWrite(id, { parent })`, then any number of `mount`s, whose
 * holders change files; `changes`, `diff` and `diffSize` tell what became different; `remove`.
 *
 * A driver is told an id before anything of it exists, and the store has written that id down by
 * then (see `MetadataStore.begin`): whatever a killed process leaves behind of a layer, `remove`
 * must clear away, however far it had got, and `remove` of an id that does not exist does nothing.
 *
 * Nothing but plain values, byte sources and signals crosses this interface, so that a driver may
 * do its work on another thread.
 *
 * @module
 */
import type { CacheID, DiffID } from './ids.ts'
import type { ByteSource, CallOptions } from './streams.ts'

/** What a driver can do and what it needs; decides which cases of the test kit apply to it. */
export interface DriverCapabilities {
  /** `diff` gives back the very bytes that `applyDiff` took; the store then keeps no record. */
  readonly reproducesExactDiffs: boolean
  /** How many layers may stand on each other, read-write and init layers included. */
  readonly maxDepth: number
  /** `kernel`: `mount` asks the kernel; `directory`: it gives a directory that is always there. */
  readonly mount: 'kernel' | 'directory'
  /** What of a file's metadata survives here, now, for this user. */
  readonly keeps: { readonly owner: boolean; readonly xattrs: boolean; readonly devices: boolean }
  /** What it cannot work without. */
  readonly needs: readonly ('linux' | 'win32' | 'root' | 'ffi')[]
}

/** How {@link Driver.create} makes a layer. */
export interface DriverCreateOptions extends CallOptions {
  /** The layer beneath; absent for a base layer. */
  readonly parent?: CacheID
}

/** How {@link Driver.createReadWrite} makes a layer. */
export interface DriverCreateReadWriteOptions extends DriverCreateOptions {
  /** SELinux label for the mount, passed on as it is. */
  readonly mountLabel?: string
  /** Docker's `--storage-opt`s, as `size: '10G'`. An unknown one is `ERR_NOT_SUPPORTED`. */
  readonly storageOptions?: Readonly<Record<string, string>>
  /**
   * A read-write layer on the same parent or on one with the same files, whose present state the
   * new one starts with. Of a file that is written to meanwhile the copy has what was read.
   */
  readonly copyOf?: CacheID
}

/** How {@link Driver.applyDiff} applies. */
export interface ApplyDiffOptions extends CallOptions {
  /**
   * SHA-256 of what was read of the tar so far: its DiffID, once it was read to its end. A driver
   * that names files by it need not hash them a second time.
   */
  readonly digest?: () => DiffID
}

/** How {@link Driver.verify} compares. */
export interface DriverVerifyOptions extends CallOptions {
  /** As it was given to `applyDiff`. */
  readonly parent?: CacheID
}

/** How {@link Driver.mount} mounts a layer. */
export interface MountOptions extends CallOptions {
  readonly readOnly?: boolean
  readonly mountLabel?: string
  /**
   * The mount stays when it is disposed of and when the process ends, until {@link Driver.unmount}
   * was called as often as it was kept, or the machine restarts. Only of drivers with `unmount`.
   */
  readonly keep?: boolean
}

/** A mount that outlives the processes that asked for it. */
export interface KeptMount {
  readonly path: string
  readonly readOnly: boolean
  /** How often it was kept, less how often it was unmounted. */
  readonly count: number
}

/** A layer's files at a path, until disposed of. Mounts of one layer are counted. */
export interface Mount extends AsyncDisposable {
  readonly path: string
  readonly readOnly: boolean
}

/** One difference between a layer and what it stands on. */
export interface Change {
  readonly kind: 'add' | 'modify' | 'delete'
  /** `/`-separated, with a leading `/`; bytes that are not UTF-8 appear as U+FFFD. */
  readonly path: string
  /** The same path in the file system's own bytes. */
  readonly rawPath: Uint8Array
}

/** Payloads of a layer's regular files, by the name that the tar gave them. */
export interface FileGetter extends AsyncDisposable {
  /**
   * The content of one regular file, found inside the layer only: no name leads out of it, and
   * what is not a regular file is refused, never opened.
   *
   * @param name the raw bytes of the name in the tar header
   * @param size how many bytes there must be
   * @throws LayerError `ERR_CORRUPT_LAYER` if it is missing, no regular file, or of another size
   */
  open(name: Uint8Array, size: number): ByteSource
}

/** A payload of the tar that the finished layer no longer holds. */
export interface DisplacedFile {
  /** The raw bytes of the name in the tar header. */
  readonly name: Uint8Array
  /** Which regular file entry of that name and with a payload it was, from 0. */
  readonly occurrence: number
  /** Payload size in bytes. */
  readonly size: number
  open(): ByteSource
}

/** What {@link Driver.applyDiff} did. */
export interface AppliedDiff extends AsyncDisposable {
  /** The layer's own size in bytes, as Docker counts it for this driver. */
  readonly size: number
  /**
   * Payloads that a later entry of the same tar replaced, or that were never written (a whiteout
   * with a body). The driver keeps them aside until this object is disposed of, because the
   * layer's tar can only be given back with them.
   */
  readonly displaced: readonly DisplacedFile[]
}

/** See the module's text. */
export interface Driver extends AsyncDisposable {
  /** As in Docker's `image/<name>` directory: `vfs`, `overlay2`, … */
  readonly name: string
  readonly capabilities: DriverCapabilities
  /** @throws LayerError `ERR_LAYER_NOT_FOUND` without the parent */
  create(id: CacheID, options?: DriverCreateOptions): Promise<void>
  /** @throws LayerError `ERR_LAYER_NOT_FOUND` without the parent, `ERR_NOT_SUPPORTED` for an option */
  createReadWrite(id: CacheID, options?: DriverCreateReadWriteOptions): Promise<void>
  /**
   * Removes a layer, finished or not; without that id, nothing. At once it no longer `exists`, or,
   * failing, is as whole as before; files that could not be deleted are left to `cleanup`.
   */
  remove(id: CacheID, options?: CallOptions): Promise<void>
  exists(id: CacheID): Promise<boolean>
  /** Every layer, unfinished ones included, in no order. */
  list(): AsyncIterable<CacheID>
  /** @throws LayerError `ERR_LAYER_NOT_FOUND` */
  mount(id: CacheID, options?: MountOptions): Promise<Mount>
  /**
   * Ends one kept mount of a layer; the last one unmounts, if no process uses it otherwise.
   *
   * @param options `readOnly` for the read-only mount instead of the writable one; `all` to end it
   *   however often it was kept
   * @returns how often it is still kept
   * @throws LayerError `ERR_LAYER_NOT_FOUND`; `ERR_MOUNT_NOT_FOUND` if none is kept
   */
  unmount?(
    id: CacheID,
    options?: CallOptions & { readonly readOnly?: boolean; readonly all?: boolean },
  ): Promise<number>
  /** A layer's mounts that are kept: a writable one, a read-only one, both or none. */
  kept?(id: CacheID): Promise<readonly KeptMount[]>
  /**
   * Throws a read-write layer's changes away, all or (also if killed) none of them. It must not be
   * mounted, and nothing may stand on it.
   *
   * @throws LayerError `ERR_MOUNT_IN_USE`, `ERR_LAYER_IN_USE`, `ERR_LAYER_NOT_FOUND`
   */
  reset?(id: CacheID, parent: CacheID | undefined, options?: CallOptions): Promise<void>
  /**
   * Applies an uncompressed layer tar on the layer. May stop reading at the end of the archive;
   * the store reads the rest.
   *
   * @throws LayerError `ERR_INVALID_TAR`, `ERR_TRUNCATED`, `ERR_UNSAFE_PATH`, `ERR_LIMIT_EXCEEDED`
   */
  applyDiff(
    id: CacheID,
    parent: CacheID | undefined,
    tar: ByteSource,
    options?: ApplyDiffOptions,
  ): Promise<AppliedDiff>
  /**
   * Gives a damaged read-only layer the files of a whole one, made of the same tar on the same
   * parent: in one step, all of them or (also if killed) none. Layers that stand on the first one
   * stand on its new files then; the other has what was damaged, and is to be removed. Neither may
   * be mounted, nor what stands on them, unless layers share no files.
   *
   * @throws LayerError `ERR_MOUNT_IN_USE`, `ERR_LAYER_NOT_FOUND`; `ERR_NOT_SUPPORTED` if layers
   *   above could not stand on the new files
   */
  replace?(id: CacheID, by: CacheID, options?: CallOptions): Promise<void>
  /** The difference from `parent` (everything, without one) as a layer tar. */
  diff(id: CacheID, parent?: CacheID, options?: CallOptions): ReadableStream<Uint8Array>
  /** The difference from `parent`, sorted by raw path; the root itself is never listed. */
  changes(id: CacheID, parent?: CacheID, options?: CallOptions): AsyncIterable<Change>
  /** Bytes by which the layer differs from `parent`. */
  diffSize(id: CacheID, parent?: CacheID, options?: CallOptions): Promise<number>
  /** Needed unless `reproducesExactDiffs`. @throws LayerError `ERR_LAYER_NOT_FOUND` */
  files?(id: CacheID): Promise<FileGetter>
  /**
   * Compares a layer's files with what its tar makes of its parent: type, mode, owner, links,
   * devices, xattrs and times; of contents, those that were copied from the parent. Yields one text
   * for each difference, and none for a layer that is as it was made.
   */
  verify?(id: CacheID, tar: ByteSource, options?: DriverVerifyOptions): AsyncIterable<string>
  /** Puts these layers on stable storage. A failure is final: it is never tried again. */
  sync(ids: readonly CacheID[]): Promise<void>
  /** Clears away what no layer needs (files set aside, half-removed layers); says what it was. */
  cleanup(): Promise<readonly string[]>
  /** What `varve info` prints. */
  status(): Promise<Readonly<Record<string, string>>>
}
