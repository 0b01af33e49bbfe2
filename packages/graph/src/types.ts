/**
 * What the image graph takes and gives.
 *
 * A *graph* is how Docker up to 1.9 kept images: each has a random id of 64 hex digits, a JSON
 * document, at most one *parent* and at most one layer, whose id in the driver is the image's own.
 * A *head* is an image that no other stands on.
 *
 * @module
 */
import type { ByteSource, CallOptions, Digest, Driver, TarSplitCodec } from '@varve/core'
import type { V1Image } from '@varve/image'
import type { Sys } from '@varve/sys'
import type { IDMap } from './id-maps.ts'

/**
 * Which Docker's graph it is where they differ:
 *
 * | | `1.7` | `1.9` |
 * |---|---|---|
 * | `json` | written by the graph, with a newline | the very bytes that were given |
 * | to register an id that is there | fails | does nothing |
 * | `parent` file | – | if the document does not name the parent itself |
 * | `tar-data.json.gz`, `v1Compatibility` | – | written and used |
 *
 * `1.9` reads what either wrote.
 */
export type GraphVersion = '1.7' | '1.9'

/** An image of a graph. */
export interface GraphImage {
  /** 64 hex digits. */
  readonly id: string
  /** The image beneath; it need not be there. */
  readonly parent: string | undefined
  /** Bytes of its own layer, as the driver counted them. */
  readonly size: number
  /** What its `json` says. */
  readonly document: V1Image
}

/** An image whose document is given as bytes, as a pull has it (Docker 1.9, `image.Descriptor`). */
export interface ImageDescriptor {
  readonly id: string
  /** Default: the one that the document names. */
  readonly parent?: string
  readonly json: Uint8Array
}

/** How {@link Graph.create} makes an image. */
export interface CreateOptions extends CallOptions {
  /** The container it is committed from; only with it there are a parent and a container's config. */
  readonly containerID?: string
  /** The image of that container, which becomes the parent. */
  readonly containerImage?: string
  readonly containerConfig?: Readonly<Record<string, unknown>>
  readonly comment?: string
  readonly author?: string
  /** How a container of the image is run. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Default: the version that the graph is of. */
  readonly dockerVersion?: string
  /** Default: now. */
  readonly created?: Date
}

/** How {@link Graph.delete} removes. */
export interface DeleteOptions extends CallOptions {
  /** Also beneath other images, which are of no use then. */
  readonly force?: boolean
}

/** A layer in a temporary file, which is gone when it was read or this is disposed of. */
export interface TempLayerArchive extends AsyncDisposable {
  /** Bytes of the tar. */
  readonly size: number
  /** The tar; can be read once. */
  read(): ReadableStream<Uint8Array>
}

/** Something in a graph's directory that is no sound image. */
export interface GraphProblem {
  /**
   * - `damaged`: the document cannot be read; the image can be deleted, or registered again.
   * - `missing-layer`: the driver has no such layer, as after a change of drivers.
   * - `missing-parent`: it stands on an image that is not there.
   * - `cycle`: it stands on itself.
   * - `leftover`: what a dead process left could not be cleared away.
   */
  readonly kind: 'damaged' | 'missing-layer' | 'missing-parent' | 'cycle' | 'leftover'
  /** Id of the image; of a leftover, perhaps the driver's name. */
  readonly id: string
  readonly message: string
}

/** What {@link Graph} needs; see `openGraph`. */
export interface OpenGraphOptions {
  /** The graph's directory, `graph` in Docker's data root. */
  readonly root: string
  /** Where the layers are. The graph does not close it. */
  readonly driver: Driver
  /** Default `1.9`, which reads what either wrote. */
  readonly version?: GraphVersion
  /** Docker's file of tags, `repositories-<driver>` in its data root; without it there are none. */
  readonly repositories?: string
  /** Change nothing, make nothing; a daemon must not be at work there. Default false. */
  readonly readOnly?: boolean
  /** User namespace; the root of it owns what is made. */
  readonly uidMaps?: readonly IDMap[]
  readonly gidMaps?: readonly IDMap[]
  /** Default: `tarSplit()`. */
  readonly codec?: TarSplitCodec
  /** Opened anew unless given. */
  readonly sys?: Sys
}

/**
 * The images of a graph, found by any unique beginning of an id. Several processes may use one at
 * once; Docker's daemon must not.
 *
 * Whatever takes a prefix throws `ERR_IMAGE_NOT_FOUND` and `ERR_AMBIGUOUS_ID`.
 */
export interface Graph extends AsyncDisposable {
  readonly root: string
  readonly version: GraphVersion
  readonly readOnly: boolean

  /** @throws LayerError `ERR_CORRUPT_METADATA` if it is there and cannot be read */
  get(prefix: string): Promise<GraphImage>
  /** The whole id, of an image that may be damaged. */
  resolve(prefix: string): Promise<string>
  /** Whether there is a sound image. */
  exists(prefix: string): Promise<boolean>
  /** Whether an error says that there is no image (or layer) of that id. */
  isNotExist(error: unknown, id: string): boolean

  /** Makes an image with a new random id. */
  create(layer: ByteSource | undefined, options?: CreateOptions): Promise<GraphImage>
  /**
   * Takes an image that was made elsewhere, with its layer's tar, also compressed. Whatever stands
   * in its place and is no sound image is removed; if it fails, nothing is left behind.
   *
   * @throws LayerError `ERR_IMAGE_EXISTS` (1.7 only), `ERR_INVALID_ARGUMENT`,
   *   `ERR_LAYER_NOT_FOUND` (parent), `ERR_INVALID_TAR`, `ERR_CORRUPT_COMPRESSION`, …
   */
  register(
    image: V1Image | ImageDescriptor,
    layer?: ByteSource,
    options?: CallOptions,
  ): Promise<GraphImage>
  /**
   * Removes an image, also a damaged one.
   *
   * @throws LayerError `ERR_LAYER_IN_USE` if it is held, or others stand on it and `force` is not
   *   given
   */
  delete(prefix: string, options?: DeleteOptions): Promise<void>

  /** Every sound image, by id. */
  map(): Promise<ReadonlyMap<string, GraphImage>>
  /** Every sound image, in no order; what is added or removed meanwhile may be missed. */
  walkAll(): AsyncIterable<GraphImage>
  /** The images on each image that has any and is there, by its id. */
  byParent(): Promise<ReadonlyMap<string, readonly GraphImage[]>>
  hasChildren(id: string): Promise<boolean>
  /** The images that no other stands on, by id. */
  heads(): Promise<ReadonlyMap<string, GraphImage>>
  /** What is wrong with the others. */
  problems(): Promise<readonly GraphProblem[]>

  /** Keeps images from being deleted, by anybody, until they are released or this graph closes. */
  retain(session: string, ...ids: readonly string[]): Promise<void>
  release(session: string, ...ids: readonly string[]): Promise<void>
  /** Whether a session in any living process retains it. */
  isHeld(id: string): Promise<boolean>

  /**
   * The layer's tar: as it came, where a record tells, otherwise as the driver makes it. The stream
   * ends in an error, never in a short clean end.
   */
  tarLayer(prefix: string, options?: CallOptions): ReadableStream<Uint8Array>
  /** The layer's tar in a temporary file; progress in the phase `Buffering to disk`. */
  tempLayerArchive(prefix: string, options?: CallOptions): Promise<TempLayerArchive>

  /** Remembers the digest of the blob in which the layer came, or goes. */
  setDigest(id: string, digest: Digest): Promise<void>
  /** @throws LayerError `ERR_DIGEST_NOT_SET`, `ERR_CORRUPT_METADATA` */
  getDigest(id: string): Promise<Digest>
  /** The document's very bytes. */
  rawJSON(id: string): Promise<Uint8Array>
  /** 1.9 only, as all about v1 compatibility: `ERR_NOT_SUPPORTED`. */
  setV1CompatibilityConfig(id: string, json: Uint8Array): Promise<void>
  getV1CompatibilityConfig(id: string): Promise<Uint8Array | undefined>
  /**
   * The document for a v1 manifest: the one that is kept, or one made from the image's, whose
   * parents are given theirs first.
   *
   * @throws LayerError `ERR_CORRUPT_METADATA` if the image stands on itself
   */
  generateV1CompatibilityChain(id: string): Promise<Uint8Array>

  /** Ids by familiar names: `alpine:3.2`. */
  tags(): Promise<ReadonlyMap<string, string>>
  /** Points a name to an image; one that was another's is moved. Gives the name in full. */
  tag(prefix: string, name: string): Promise<string>
  /** Takes a name away; the image stays. @throws LayerError `ERR_IMAGE_NOT_FOUND` */
  untag(name: string): Promise<string>
}
