/**
 * What the image store takes and gives.
 *
 * An *image* is a configuration (one JSON document, whose digest is the image's id) that names a
 * stack of layers by their DiffIDs. A *manifest* says in which blobs an image travels. A *tag* is
 * a name that points to an image; moving it changes no image.
 *
 * @module
 */
import type {
  ByteSource,
  CallOptions,
  ChainID,
  Descriptor,
  DiffID,
  Digest,
  Durability,
  LayerRecord,
  LayerStore,
  RemovedLayer,
} from '@varve/core'
import type { Sys } from '@varve/sys'

declare const brand: unique symbol
/** Digest of an image's configuration, its id. */
export type ImageID = Digest & { readonly [brand]: 'ImageID' }

/** An operating system and processor, as `linux/arm64/v8` names them (OCI image index, "platform"). */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

/** One step of how an image was made (OCI image configuration, "history"). */
export interface HistoryEntry {
  /** RFC 3339. */
  readonly created?: string | undefined
  readonly created_by?: string | undefined
  readonly author?: string | undefined
  readonly comment?: string | undefined
  /** The step changed no file, so that no layer belongs to it. */
  readonly empty_layer?: boolean | undefined
  readonly [other: string]: unknown
}

/** An image's configuration (OCI image configuration); unknown fields are kept. */
export interface ImageConfig {
  readonly created?: string | undefined
  readonly author?: string | undefined
  readonly architecture?: string | undefined
  readonly os?: string | undefined
  readonly variant?: string | undefined
  /** How a container is run: `Cmd`, `Env`, `User`, … */
  readonly config?: Readonly<Record<string, unknown>> | null | undefined
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly DiffID[] }
  readonly history?: readonly HistoryEntry[] | null | undefined
  readonly [other: string]: unknown
}

/** An image in the store. */
export interface Image {
  readonly id: ImageID
  /** Familiar names, as `alpine:3.20`, sorted. */
  readonly tags: readonly string[]
  /** Familiar names with a manifest digest, as `alpine@sha256:…`, sorted. */
  readonly digests: readonly string[]
  /** When it was made, as its configuration says. */
  readonly created: Date | undefined
  readonly platform: Platform
  /** Base first. */
  readonly diffIDs: readonly DiffID[]
  /** The whole stack; undefined for an image without layers. */
  readonly chainID: ChainID | undefined
  /** Bytes of all its layers, as the driver counts them. */
  readonly size: number
  /** Digest of the manifest that it came with, if that is kept. */
  readonly manifest: Digest | undefined
}

/** All about one image. */
export interface ImageDetails extends Image {
  readonly config: ImageConfig
  /** The configuration's very bytes. */
  readonly configBytes: Uint8Array
  /** The very bytes of the manifest that it came with. */
  readonly manifestBytes: Uint8Array | undefined
  /** Base first. */
  readonly layers: readonly ImageLayer[]
  /** When this store last changed the image or tagged it. */
  readonly lastUpdated: Date | undefined
  /** The image it was committed on. */
  readonly parent: ImageID | undefined
}

/** A layer as part of an image. */
export interface ImageLayer {
  readonly diffID: DiffID
  readonly chainID: ChainID
  /** Own size in bytes, as the driver counts it; undefined if the layer is missing. */
  readonly size: number | undefined
  /** The blob in which it came, if a manifest is kept. */
  readonly blob: Descriptor | undefined
  /** Whether the blob's own bytes are kept. */
  readonly blobKept: boolean
}

/** A step of an image's history with its layer. */
export interface HistoryStep extends HistoryEntry {
  readonly layer: ImageLayer | undefined
}

/** How {@link ImageStore.load} reads. */
export interface LoadOptions extends CallOptions {
  /** `os/arch[/variant]`: which image to take of several; the default is this machine's. */
  readonly platform?: string
  /** Keep the blobs as they came, so that a saved image has the digests that it came with. */
  readonly keepBlobs?: boolean
  /** Tags to give in place of those in the archive; only for an archive of one image. */
  readonly tags?: readonly string[]
  /** Default `full`. */
  readonly durability?: Durability
}

/** An image that was loaded. */
export interface LoadedImage extends Image {
  /** Whether the image was in the store before. */
  readonly existed: boolean
  /** Base first; `existed` says that the layer was in the store before, so was not read. */
  readonly layers: readonly (ImageLayer & { readonly existed: boolean })[]
}

/**
 * - `docker-archive`: a tar as `docker save` writes it, which is an OCI layout too.
 * - `oci-archive`: a tar of an OCI image layout.
 * - `oci-layout`: an OCI image layout in a directory.
 */
export type SaveFormat = 'docker-archive' | 'oci-archive' | 'oci-layout'

/** How layers are compressed that are not written from a kept blob. */
export type Compression = 'none' | 'gzip' | 'zstd'

/** How {@link ImageStore.archive} writes. */
export interface ArchiveOptions extends CallOptions {
  /** Default `docker-archive`. */
  readonly format?: 'docker-archive' | 'oci-archive'
  /** Default: `none` for docker-archive, `gzip` for OCI. */
  readonly compression?: Compression
  /**
   * Gzip only. True (the default): the same bytes on every runtime and machine. False: about four
   * times faster.
   */
  readonly reproducible?: boolean
  /**
   * Write the blobs and the manifest that the image came with wherever they are kept. Default
   * true for OCI and false for docker-archive, whose layers readers expect uncompressed.
   */
  readonly originalBlobs?: boolean
}

/** How {@link ImageStore.save} writes. */
export interface SaveOptions extends Omit<ArchiveOptions, 'format'> {
  /** Default `docker-archive`. */
  readonly format?: SaveFormat
}

/** An image that was saved. */
export interface SavedImage {
  readonly id: ImageID
  readonly tags: readonly string[]
  /** The manifest that was written. */
  readonly manifest: Descriptor
  /** Whether it is the manifest that the image came with. */
  readonly original: boolean
}

/** How {@link ImageStore.remove} removes. */
export interface RemoveOptions extends CallOptions {
  /** Remove an image by its id although several tags point to it. */
  readonly force?: boolean
}

/** What a removal did. */
export interface RemovedImages {
  /** Tags that are gone. */
  readonly untagged: readonly string[]
  readonly deleted: readonly ImageID[]
  /** Layers that no image, read-write layer or reference needs any more, child first. */
  readonly layers: readonly RemovedLayer[]
}

/** How {@link ImageStore.commit} makes an image. */
export interface CommitOptions extends CallOptions {
  /**
   * The image it stands on, by tag, digest or id; absent for a first layer, or if no image has the
   * layers beneath: the new one has them then, with a configuration that says nothing else.
   */
  readonly base?: string
  readonly tags?: readonly string[]
  readonly author?: string
  /** Goes to the history as its comment. */
  readonly message?: string
  /** Goes to the history as `created_by`. */
  readonly createdBy?: string
  /** Default: now, or `SOURCE_DATE_EPOCH`. */
  readonly created?: Date
  /** Fields of `config` (`Cmd`, `Env`, …) to set. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Default: the base's, or this machine's. */
  readonly platform?: string
}

/** How {@link ImageStore.add} makes an image. */
export interface AddOptions extends CallOptions {
  readonly tags?: readonly string[]
  /** The image that it was made from. */
  readonly parent?: ImageID
}

/** What {@link ImageStore.add} made. */
export interface AddedImage extends Image {
  /** Whether the image was in the store before. */
  readonly existed: boolean
}

/** Which images {@link ImageStore.copyFrom} copies. */
export interface CopyFromOptions extends CallOptions {
  /** The other store's directory; the same for one that other drivers' layers are kept in. */
  readonly root: string
  readonly driver: string
}

/** What {@link ImageStore.copyFrom} did. */
export interface CopiedImages {
  readonly ids: readonly ImageID[]
  /** Those that were here before. */
  readonly existed: readonly ImageID[]
  /** How many kept blobs were copied. */
  readonly blobs: number
}

/** How {@link ImageStore.prune} chooses. */
export interface PruneOptions extends CallOptions {
  /** Also images that have a tag. */
  readonly all?: boolean
  /** Only tell. */
  readonly dryRun?: boolean
}

/** What {@link ImageStore.prune} did, or would do. */
export interface Pruned extends RemovedImages {
  /** Kept blobs that no image needs. */
  readonly blobs: readonly Digest[]
  /** Bytes of layers and blobs. */
  readonly freed: number
}

/** Where the space went, in bytes. */
export interface DiskUsage {
  readonly images: readonly (Image & {
    /** Bytes of layers that other images use too. */
    readonly shared: number
    /** Bytes of layers that only this image uses. */
    readonly unique: number
  })[]
  /** Every layer, each counted once; `images` says how many images need it. */
  readonly layers: readonly {
    readonly chainID: ChainID
    readonly diffID: DiffID
    readonly size: number
    readonly images: number
  }[]
  /** Kept original blobs. */
  readonly blobs: { readonly count: number; readonly size: number; readonly unused: number }
  /** Layers in all. */
  readonly total: number
  /** What `prune` would free: untagged images, layers and blobs that no image needs. */
  readonly reclaimable: number
}

/** Something that {@link ImageStore.check} found. */
export interface ImageProblem {
  readonly kind:
    | 'damaged-config'
    | 'damaged-tags'
    | 'dangling-tag'
    | 'missing-layer'
    | 'damaged-manifest'
    | 'damaged-blob'
    | 'unreferenced-blob'
  /** Image id, tag or blob digest. */
  readonly subject: string
  readonly message: string
  readonly repaired: boolean
}

/** How {@link ImageStore.check} looks. */
export interface ImageCheckOptions extends CallOptions {
  /** Also read every kept blob and compare its digest. */
  readonly full?: boolean
  /** Set aside what is damaged; remove dangling tags and blobs that nothing needs. */
  readonly repair?: boolean
}

/** Layers' tars from where else they are kept. Disposing of it closes the archives. */
export interface LayerSources extends AsyncDisposable {
  /**
   * A layer's tar, uncompressed, from every archive that has it, then from a kept blob. It is for
   * the reader to compare with the DiffID.
   */
  tars(diffID: DiffID): AsyncIterable<ByteSource>
}

/** What {@link openImages} needs. */
export interface OpenImagesOptions {
  /** The store's directory; Docker's `/var/lib/docker` has the same form. */
  readonly root: string
  /** Name of the driver; images are kept in `image/<driver>` as Docker keeps them. */
  readonly driver: string
  /** Where the layers are. The image store does not close it. */
  readonly store: LayerStore
  /** The operating system; opened anew unless given. */
  readonly sys?: Sys
  /** Told what the opening had to undo of processes that died, one text each. */
  readonly onRecovered?: (what: string) => void
}

/**
 * Images on disk in Docker's own layout, on top of a layer store. Several processes may use one
 * at once.
 *
 * A *ref* is a tag (`alpine`, `alpine:3.20`, `ghcr.io/a/b:c`), a name with a digest, an image id
 * (`sha256:…`), or a unique prefix of the id's hex digits.
 */
export interface ImageStore extends AsyncDisposable {
  /**
   * Takes every image of an archive or layout: docker-archive (also of Docker before 1.10) or OCI
   * layout, as a tar (also compressed) or in a directory. If that fails, the store is as it was.
   *
   * @param source path of a file or directory, or the bytes of a tar
   * @throws LayerError `ERR_INVALID_IMAGE`, `ERR_BLOB_NOT_FOUND`, `ERR_DIGEST_MISMATCH`,
   *   `ERR_UNKNOWN_MEDIA_TYPE`, `ERR_UNSAFE_PATH`, `ERR_TRUNCATED`, `ERR_CORRUPT_COMPRESSION`,
   *   `ERR_LIMIT_EXCEEDED`, `ERR_IMAGE_NOT_FOUND` (no image for the platform), and what
   *   `LayerStore.register` throws
   */
  load(source: string | ByteSource, options?: LoadOptions): Promise<readonly LoadedImage[]>
  /**
   * Writes images to a file or directory, which appears whole or not at all. A file that is there
   * is replaced; a directory must be empty or absent.
   *
   * @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID`, `ERR_INVALID_ARGUMENT`,
   *   `ERR_NO_SPACE`, and what `Layer.tar` throws
   */
  save(refs: readonly string[], to: string, options?: SaveOptions): Promise<readonly SavedImage[]>
  /** The same archive as a stream. @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID` */
  archive(refs: readonly string[], options?: ArchiveOptions): ReadableStream<Uint8Array>

  /** @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID`, `ERR_CORRUPT_METADATA` */
  get(ref: string): Promise<ImageDetails>
  /** Every healthy image, newest first. */
  list(): Promise<readonly Image[]>
  /** The steps that made an image, newest first, as `docker history` shows them. */
  history(ref: string): Promise<readonly HistoryStep[]>

  /** Points a tag to an image; a tag that was another's is moved. Gives the tag in full. */
  tag(ref: string, tag: string): Promise<string>
  /** Takes a tag away; the image stays. @throws LayerError `ERR_IMAGE_NOT_FOUND` */
  untag(tag: string): Promise<string>
  /**
   * As `docker rmi`: a tag is taken away, and with its last tag the image goes, and with it the
   * layers that nothing else needs.
   *
   * @throws LayerError `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID`; `ERR_INVALID_ARGUMENT` for an id
   *   with several tags unless `force`
   */
  remove(ref: string, options?: RemoveOptions): Promise<RemovedImages>
  /** Makes an image of a base image and one new layer, as a read-write layer's `commit` gives. */
  commit(layer: LayerRecord, options?: CommitOptions): Promise<Image>
  /**
   * Makes an image of a configuration's very bytes; its layers must be in the store.
   *
   * @throws LayerError `ERR_INVALID_IMAGE`, `ERR_LIMIT_EXCEEDED`, `ERR_LAYER_NOT_FOUND`,
   *   `ERR_INVALID_ARGUMENT` (tag)
   */
  add(config: Uint8Array, options?: AddOptions): Promise<AddedImage>

  /**
   * Takes every image of another store over, with its names, its manifest and kept blobs; their
   * layers must be here already.
   *
   * @throws LayerError `ERR_LAYER_NOT_FOUND`, `ERR_CORRUPT_METADATA`
   */
  copyFrom(options: CopyFromOptions): Promise<CopiedImages>

  /** ChainIDs that images need, for `LayerStore.gc`. */
  roots(): Promise<readonly ChainID[]>
  /** Removes untagged images, then layers and blobs that nothing needs. */
  prune(options?: PruneOptions): Promise<Pruned>
  diskUsage(): Promise<DiskUsage>
  /**
   * Where layers can be had again, as `LayerStore.check` needs it to restore what is damaged: kept
   * blobs, and archives or layouts, of any platform.
   *
   * @param from paths as `load` takes them
   * @throws LayerError as `load`, for an archive that cannot be read
   */
  layerSources(from?: readonly string[], options?: CallOptions): Promise<LayerSources>
  /** Looks at configurations, tags, manifests and kept blobs; layers are `LayerStore.check`'s. */
  check(options?: ImageCheckOptions): AsyncIterable<ImageProblem>
}
