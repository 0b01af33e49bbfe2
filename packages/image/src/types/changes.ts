import type { CallOptions, Digest, RemovedLayer } from '@varve/core'
import type { Image, ImageID } from './image.ts'

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
