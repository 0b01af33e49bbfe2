/**
 * Media types of image documents and layers (OCI image spec, "media-types"; Docker's image
 * manifest version 2, schema 2).
 *
 * @module
 */
import type { Compression } from '../types/transfer.ts'

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json'
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'

const INDEXES: readonly string[] = [OCI_INDEX, DOCKER_INDEX]
const MANIFESTS: readonly string[] = [OCI_MANIFEST, DOCKER_MANIFEST]
const CONFIGS: readonly string[] = [OCI_CONFIG, DOCKER_CONFIG]

const LAYERS: Readonly<Record<string, Compression>> = {
  'application/vnd.oci.image.layer.v1.tar': 'none',
  'application/vnd.oci.image.layer.v1.tar+gzip': 'gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd': 'zstd',
  'application/vnd.oci.image.layer.nondistributable.v1.tar': 'none',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip': 'gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd': 'zstd',
  'application/vnd.docker.image.rootfs.diff.tar': 'none',
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'gzip',
  'application/vnd.docker.image.rootfs.diff.tar.zstd': 'zstd',
  'application/vnd.docker.image.rootfs.foreign.diff.tar': 'none',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip': 'gzip',
}

/** The media type of an OCI layer in a given compression. */
export const OCI_LAYER: Readonly<Record<Compression, string>> = {
  none: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
}

export function isIndexType(mediaType: string): boolean {
  return INDEXES.includes(mediaType)
}

export function isManifestType(mediaType: string): boolean {
  return MANIFESTS.includes(mediaType)
}

export function isConfigType(mediaType: string): boolean {
  return CONFIGS.includes(mediaType)
}

/** How a layer of that type is compressed; undefined if it is no type of a layer. */
export function layerCompression(mediaType: string): Compression | undefined {
  return Object.hasOwn(LAYERS, mediaType) ? LAYERS[mediaType] : undefined
}
