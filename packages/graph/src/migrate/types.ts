import type { CallOptions, ChainID, LayerStore } from '@varve/core'
import type { ImageID, ImageStore } from '@varve/image'

/** How {@link migrate} works, and where to. */
export interface MigrateOptions extends CallOptions {
  /** Where the layers go. */
  readonly store: LayerStore
  /** Where the images go, which are on top of that store. */
  readonly images: Pick<ImageStore, 'add'>
  /** Only these, by tag, id or the beginning of one, and what is beneath them; default: all. */
  readonly refs?: readonly string[]
  /** Also make images of those that others stand on and that have no tag. Default true. */
  readonly intermediates?: boolean
  /**
   * A file that remembers what was found out, so that a run after one that was killed need not read
   * every layer again. It is removed when all is done.
   */
  readonly memo?: string
  /** Told of each image as soon as it is there. */
  readonly onMigrated?: (image: MigratedImage) => void
}

/** An image that is in the layer store now. */
export interface MigratedImage {
  /** In the graph. */
  readonly id: string
  /** Digest of its configuration, the same that Docker 1.10 and later give it. */
  readonly imageID: ImageID
  readonly chainID: ChainID
  readonly tags: readonly string[]
  /** Whether the store had it before. */
  readonly existed: boolean
}

/** An image, or a tag of one, that could not be brought over. */
export interface FailedMigration {
  readonly id: string
  readonly tag?: string
  /** Why, as a sentence. */
  readonly message: string
}

/** What {@link migrate} did. */
export interface MigrationReport {
  /** Parents before children. */
  readonly images: readonly MigratedImage[]
  readonly failed: readonly FailedMigration[]
}
