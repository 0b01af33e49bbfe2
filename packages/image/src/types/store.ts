import type { ByteSource, CallOptions, ChainID, LayerRecord, LayerStore } from '@varve/core'
import type { Sys } from '@varve/sys'
import type {
  AddedImage,
  AddOptions,
  CommitOptions,
  Pruned,
  PruneOptions,
  RemovedImages,
  RemoveOptions,
} from './changes.ts'
import type { DiskUsage, ImageCheckOptions, ImageProblem, LayerSources } from './condition.ts'
import type { HistoryStep, Image, ImageDetails } from './image.ts'
import type {
  ArchiveOptions,
  CopiedImages,
  CopyFromOptions,
  LoadedImage,
  LoadOptions,
  SavedImage,
  SaveOptions,
} from './transfer.ts'

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
