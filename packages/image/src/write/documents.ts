import { type Descriptor, type DiffID, type Digest, digestOf } from '@varve/core'
import { platformOf } from '../describe.ts'
import { jsonBytes } from '../document/json.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../document/media-types.ts'
import { canonicalName, familiarRepository, parseReference } from '../reference.ts'
import { blobPath } from '../source/blob.ts'
import { CONTAINERD_NAME, OCI_REF_NAME } from '../source/tags.ts'
import type { ImageConfig, ImageID } from '../types/image.ts'

/** An image as it was written. */
export interface WrittenImage {
  readonly id: ImageID
  readonly config: ImageConfig
  /** Familiar. */
  readonly tags: readonly string[]
  readonly manifest: Descriptor
  /** Base first. */
  readonly layers: readonly { readonly diffID: DiffID; readonly descriptor: Descriptor }[]
}

/** A manifest of an image's layers (OCI image spec, "Image Manifest"). */
export function manifestBytes(configBytes: Uint8Array, layers: readonly Descriptor[]): Uint8Array {
  return jsonBytes({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: digestOf(configBytes), size: configBytes.length },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  })
}

/** `oci-layout` (OCI image spec, "Image Layout"). */
export function layoutBytes(): Uint8Array {
  return jsonBytes({ imageLayoutVersion: '1.0.0' })
}

/**
 * `index.json`: an entry for each tag, named for containerd in full and for umoci and skopeo by
 * the tag alone, as `docker save` does.
 */
export function indexBytes(images: readonly WrittenImage[]): Uint8Array {
  const manifests = images.flatMap(({ manifest, config, tags }) => {
    const { mediaType, digest, size } = manifest
    const { os, architecture, variant } = platformOf(config)
    const platform = { architecture, os, ...(variant ? { variant } : {}) }
    const entry = { mediaType, digest, size, platform }
    if (tags.length === 0) return [entry]
    return tags.map((tag) => {
      const reference = parseReference(tag)
      const annotations = {
        [CONTAINERD_NAME]: canonicalName(reference),
        [OCI_REF_NAME]: reference.tag,
      }
      return { ...entry, annotations }
    })
  })
  return jsonBytes({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })
}

/** `manifest.json` of a docker-archive (moby, `image/tarexport/save.go`). */
export function dockerManifestBytes(images: readonly WrittenImage[]): Uint8Array {
  return jsonBytes(
    images.map(({ id, tags, layers }) => ({
      Config: blobPath(id),
      RepoTags: tags.length === 0 ? null : tags,
      Layers: layers.map(({ descriptor }) => blobPath(descriptor.digest)),
      LayerSources: Object.fromEntries(
        layers.map(({ diffID, descriptor: { mediaType, digest, size } }) => [
          diffID,
          { mediaType, size, digest },
        ]),
      ),
    })),
  )
}

/** `repositories` of a docker-archive; undefined if nothing has a tag. */
export function repositoriesBytes(images: readonly WrittenImage[]): Uint8Array | undefined {
  const repositories: Record<string, Record<string, string>> = {}
  for (const { tags, layers } of images) {
    const top: Digest | undefined = layers.at(-1)?.descriptor.digest
    if (top === undefined) continue
    for (const name of tags) {
      const reference = parseReference(name)
      const repository = familiarRepository(reference)
      const entry = { [reference.tag ?? '']: top.slice('sha256:'.length) }
      repositories[repository] = { ...repositories[repository], ...entry }
    }
  }
  return Object.keys(repositories).length === 0 ? undefined : jsonBytes(repositories)
}
