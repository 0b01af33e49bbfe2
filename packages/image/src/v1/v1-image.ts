/**
 * Images of Docker up to 1.9: one JSON document for each layer, with a random id and the id of the
 * image beneath (moby `image/spec/v1.md`).
 *
 * @module
 */
import { type Digest, hexOf, isDigest, LayerError } from '@varve/core'
import * as v from 'valibot'
import { type DocumentName, parseDocument } from '../document/json.ts'

/** The document of a v1 image; unknown fields are kept. */
export interface V1Image {
  /** 64 hex digits; absent in documents of Docker 1.9 that are named by content. */
  readonly id?: string | undefined
  /** Id of the image beneath. */
  readonly parent?: string | undefined
  /** Digest by which Docker 1.9 names the image beneath. */
  readonly parent_id?: string | undefined
  readonly layer_id?: string | undefined
  readonly comment?: string | undefined
  /** RFC 3339. */
  readonly created?: string | undefined
  /** Id of the container it was committed from. */
  readonly container?: string | undefined
  /** The container's configuration; its `Cmd` is the step that made the image. */
  readonly container_config?: Readonly<Record<string, unknown>> | null | undefined
  readonly docker_version?: string | undefined
  readonly author?: string | undefined
  /** How a container of the image is run. */
  readonly config?: Readonly<Record<string, unknown>> | null | undefined
  readonly architecture?: string | undefined
  readonly os?: string | undefined
  /** Bytes of its layer, as some versions wrote it. */
  readonly Size?: number | undefined
  readonly [other: string]: unknown
}

const V1_ID = /^[a-f0-9]{64}$/

const text = v.optional(v.string())
const object = v.nullish(v.record(v.string(), v.unknown()))
const members = v.looseObject({
  id: text,
  parent: text,
  parent_id: text,
  layer_id: text,
  comment: text,
  created: text,
  container: text,
  container_config: object,
  docker_version: text,
  author: text,
  config: object,
  architecture: text,
  os: text,
  Size: v.optional(v.number()),
})
const isNoList = (value: unknown): boolean => !Array.isArray(value)
// Valibot takes a list for an object.
const schema = v.pipe(v.unknown(), v.check(isNoList, 'expected an object'), members)

/**
 * Whether a text is the id of a v1 image: 64 lower-case hex digits.
 *
 * @example
 * ```ts
 * import { isV1ID } from '@varve/image'
 *
 * console.assert(isV1ID('ab'.repeat(32)) && !isV1ID('../etc'))
 * ```
 */
export function isV1ID(text: string): boolean {
  return V1_ID.test(text)
}

/**
 * Reads the document of a v1 image.
 *
 * @throws LayerError `ERR_LIMIT_EXCEEDED`, or the name's code (default `ERR_INVALID_IMAGE`)
 *
 * @example
 * ```ts
 * import { parseV1Image } from '@varve/image'
 *
 * const json = new TextEncoder().encode(`{"id":"${'1'.repeat(64)}","os":"linux"}`)
 * console.assert(parseV1Image(json, { what: 'an image' }).os === 'linux')
 * ```
 */
export function parseV1Image(bytes: Uint8Array, name: DocumentName): V1Image {
  return parseDocument(bytes, schema, name)
}

/**
 * The id of the image beneath, by the document alone: `parent`, or else the hex digits of
 * `parent_id`; undefined for a base image.
 *
 * @throws LayerError the name's code if that is no id
 *
 * @example
 * ```ts
 * import { parentOfV1 } from '@varve/image'
 *
 * const id = 'ab'.repeat(32)
 * console.assert(parentOfV1({ parent_id: `sha256:${id}` }, { what: 'an image' }) === id)
 * ```
 */
export function parentOfV1(
  { parent, parent_id: digest }: Pick<V1Image, 'parent' | 'parent_id'>,
  { what, code = 'ERR_INVALID_IMAGE' }: DocumentName,
): string | undefined {
  if (!parent) return isDigest(digest) ? hexOf(digest as Digest) : undefined
  if (isV1ID(parent)) return parent
  throw new LayerError(code, `Cannot read ${what}: its parent is no image id`, {
    data: { parent: parent.slice(0, 300) },
  })
}
