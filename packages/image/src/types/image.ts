/**
 * What an image is.
 *
 * An *image* is a configuration (one JSON document, whose digest is the image's id) that names a
 * stack of layers by their DiffIDs. A *manifest* says in which blobs an image travels. A *tag* is
 * a name that points to an image; moving it changes no image.
 *
 * @module
 */
import type { ChainID, Descriptor, DiffID, Digest } from '@varve/core'

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
