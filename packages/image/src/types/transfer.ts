import type { CallOptions, Descriptor, Durability } from '@varve/core'
import type { Image, ImageID, ImageLayer } from './image.ts'

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
