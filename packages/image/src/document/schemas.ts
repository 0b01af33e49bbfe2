/**
 * The forms of image documents. Unknown fields are kept everywhere; `null` where Go writes it for
 * an empty list is taken as one.
 *
 * @module
 */
import { type DiffID, type Digest, isDigest } from '@varve/core'
import * as v from 'valibot'

const digest = v.custom<Digest>(isDigest, 'expected "sha256:" and 64 lower-case hex digits')
const diffID = v.custom<DiffID>(isDigest, 'expected "sha256:" and 64 lower-case hex digits')
const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const text = v.string()
const annotations = v.nullish(v.record(text, text))
const listOf = <S extends v.GenericSchema>(item: S) => v.nullish(v.array(item), [])

const platform = v.looseObject({
  architecture: v.optional(text, ''),
  os: v.optional(text, ''),
  variant: v.optional(text),
})

/** OCI image spec, "Content Descriptors". */
const descriptorSchema = v.looseObject({
  mediaType: text,
  digest,
  size,
  urls: v.nullish(v.array(text)),
  annotations,
})

/** OCI image spec, "Image Index"; Docker's manifest list. */
export const indexSchema = v.looseObject({
  schemaVersion: v.literal(2),
  mediaType: v.optional(text),
  manifests: v.array(v.looseObject({ ...descriptorSchema.entries, platform: v.nullish(platform) })),
  annotations,
})

/** OCI image spec, "Image Manifest"; Docker's manifest schema 2. */
export const manifestSchema = v.looseObject({
  schemaVersion: v.literal(2),
  mediaType: v.optional(text),
  config: descriptorSchema,
  layers: listOf(descriptorSchema),
  annotations,
})

/** Only what tells an index and a manifest apart. */
export const documentSchema = v.looseObject({ mediaType: v.optional(text) })

/** OCI image spec, "oci-layout file". */
export const layoutSchema = v.looseObject({ imageLayoutVersion: text })

const historyEntry = v.looseObject({
  created: v.optional(text),
  created_by: v.optional(text),
  author: v.optional(text),
  comment: v.optional(text),
  empty_layer: v.optional(v.boolean()),
})

/** OCI image spec, "Image Configuration". */
export const configSchema = v.looseObject({
  created: v.optional(text),
  author: v.optional(text),
  architecture: v.optional(text),
  os: v.optional(text),
  variant: v.optional(text),
  config: v.nullish(v.record(text, v.unknown())),
  rootfs: v.looseObject({ type: v.literal('layers'), diff_ids: listOf(diffID) }),
  history: v.nullish(v.array(historyEntry)),
})

/** `manifest.json` of a docker-archive (moby, `image/tarexport`). */
export const dockerArchiveSchema = v.array(
  v.looseObject({ Config: text, RepoTags: listOf(text), Layers: listOf(text) }),
)

/** `repositories` of an archive of Docker before 1.10: name, tag, id (moby `image/spec/v1.md`). */
export const v1RepositoriesSchema = v.record(text, v.record(text, text))

/** Docker's `repositories.json` (moby, `reference/store.go`). */
export const repositoriesSchema = v.looseObject({
  Repositories: v.nullish(v.record(text, v.record(text, text))),
})

export type ParsedDescriptor = v.InferOutput<typeof descriptorSchema>
export type ParsedIndex = v.InferOutput<typeof indexSchema>
export type ParsedManifest = v.InferOutput<typeof manifestSchema>
