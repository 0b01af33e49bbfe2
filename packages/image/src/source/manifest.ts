/**
 * Reading manifests and indexes so that no document can be taken for both (CVE-2021-41190): a
 * reader that takes one for the other sees a different image under the same digest.
 *
 * @module
 */
import { LayerError } from '@varve/core'
import { parseDocument } from '../document/json.ts'
import {
  isConfigType,
  isIndexType,
  isManifestType,
  layerCompression,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../document/media-types.ts'
import {
  configSchema,
  documentSchema,
  indexSchema,
  manifestSchema,
  type ParsedIndex,
  type ParsedManifest,
} from '../document/schemas.ts'
import type { ImageConfig } from '../types/image.ts'

/** Either kind of document that a digest in an index may name. */
export type ImageDocument =
  | { readonly kind: 'index'; readonly mediaType: string; readonly index: ParsedIndex }
  | { readonly kind: 'manifest'; readonly mediaType: string; readonly manifest: ParsedManifest }

/**
 * A manifest or index, told apart by its fields, which must agree with its media types.
 *
 * @param declared the media type that the descriptor gave
 * @throws LayerError `ERR_INVALID_IMAGE`, `ERR_UNKNOWN_MEDIA_TYPE`, `ERR_LIMIT_EXCEEDED`
 */
export function parseImageDocument(
  bytes: Uint8Array,
  what: string,
  declared?: string,
): ImageDocument {
  if (declared !== undefined) assertDocumentType(declared, what)
  const fields = parseDocument(bytes, documentSchema, { what })
  const looksLikeIndex = 'manifests' in fields
  const looksLikeManifest = ['layers', 'config', 'fsLayers', 'history'].some((key) => key in fields)
  if (looksLikeIndex && looksLikeManifest) {
    throw new LayerError(
      'ERR_INVALID_IMAGE',
      `Cannot read ${what}: it could be an index and a manifest (CVE-2021-41190)`,
      { hint: 'Whoever made it means to show different images to different readers' },
    )
  }
  const inside = fields.mediaType
  if (inside !== undefined) assertDocumentType(inside, what)
  if (declared !== undefined && inside !== undefined && declared !== inside) {
    throw new LayerError(
      'ERR_INVALID_IMAGE',
      `Cannot read ${what}: it calls itself ${inside}, its descriptor calls it ${declared}`,
    )
  }
  const mediaType = inside ?? declared ?? (looksLikeIndex ? OCI_INDEX : OCI_MANIFEST)
  if (isIndexType(mediaType) !== looksLikeIndex) {
    throw new LayerError('ERR_INVALID_IMAGE', `Cannot read ${what}: it is no ${mediaType}`)
  }
  if (looksLikeIndex) {
    return { kind: 'index', mediaType, index: parseDocument(bytes, indexSchema, { what }) }
  }
  const manifest = parseDocument(bytes, manifestSchema, { what })
  assertContentTypes(manifest, what)
  return { kind: 'manifest', mediaType, manifest }
}

function unknownType(what: string, mediaType: string): LayerError {
  return new LayerError(
    'ERR_UNKNOWN_MEDIA_TYPE',
    `Cannot read ${what}: its media type ${JSON.stringify(mediaType.slice(0, 200))} is unknown`,
    { data: { mediaType }, hint: 'It may be no container image, or encrypted' },
  )
}

function assertDocumentType(mediaType: string, what: string): void {
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) throw unknownType(what, mediaType)
}

function assertContentTypes({ config, layers }: ParsedManifest, what: string): void {
  if (!isConfigType(config.mediaType)) throw unknownType(`the config of ${what}`, config.mediaType)
  for (const [index, { mediaType }] of layers.entries()) {
    if (layerCompression(mediaType) === undefined) {
      throw unknownType(`layer ${index} of ${what}`, mediaType)
    }
  }
}

/** An image's configuration. @throws LayerError `ERR_INVALID_IMAGE`, `ERR_LIMIT_EXCEEDED` */
export function parseConfig(bytes: Uint8Array, what: string): ImageConfig {
  return parseDocument(bytes, configSchema, { what })
}

/** @throws LayerError `ERR_INVALID_IMAGE` unless there are as many layers as DiffIDs */
export function assertLayerCount(config: ImageConfig, layers: number, what: string): void {
  const diffIDs = config.rootfs.diff_ids.length
  if (layers === diffIDs) return
  throw new LayerError(
    'ERR_INVALID_IMAGE',
    `Cannot read ${what}: it has ${layers} layers, its config names ${diffIDs}`,
    { data: { layers, diffIDs } },
  )
}
