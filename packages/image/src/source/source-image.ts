import type { Descriptor, DiffID, Digest } from '@varve/core'
import type { ImageConfig, ImageID } from '../types/image.ts'

/** A manifest with its very bytes. */
export interface SourceManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** A layer in an archive or layout. */
export interface SourceLayer {
  readonly diffID: DiffID
  /** What a manifest says of its blob; absent in docker-archives that are no OCI layout. */
  readonly blob: Descriptor | undefined
  /** Size of the blob in bytes. @throws LayerError `ERR_BLOB_NOT_FOUND`, `ERR_UNSAFE_PATH` */
  size(): Promise<number>
  /** The blob, perhaps compressed; reading it to its end checks size and digest, if known. */
  open(options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<Uint8Array>
}

/** An image in an archive or layout, its documents read and checked, its layers not yet. */
export interface SourceImage {
  readonly id: ImageID
  readonly config: ImageConfig
  readonly configBytes: Uint8Array
  readonly manifest: SourceManifest | undefined
  /** Base first. */
  readonly layers: readonly SourceLayer[]
  /** Familiar names. */
  readonly tags: readonly string[]
}
