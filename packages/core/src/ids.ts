import { createHash, randomBytes } from 'node:crypto'
import { LayerError } from './errors.ts'

declare const brand: unique symbol
type Brand<T, B extends string> = T & { readonly [brand]: B }

/** `sha256:` and 64 lower-case hex digits. */
export type Digest = `sha256:${string}`
/** Digest of a layer's uncompressed tar, every byte as received. */
export type DiffID = Brand<Digest, 'DiffID'>
/** Name of a layer together with all layers beneath it (OCI image spec, "Layer ChainID"). */
export type ChainID = Brand<Digest, 'ChainID'>
/** A driver's id of a layer: 64 lower-case hex digits, `-init` behind those of an init layer. */
export type CacheID = Brand<string, 'CacheID'>

const DIGEST = /^sha256:[a-f0-9]{64}$/
const CACHE_ID = /^[a-f0-9]{64}(-init)?$/

/** Whether `text` is a well-formed digest; checked before any digest becomes part of a path. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && DIGEST.test(text)
}

/** `text` as a digest. @throws LayerError `ERR_INVALID_ARGUMENT` */
export function asDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot use ${JSON.stringify(text)} as a digest`, {
    hint: 'A digest is "sha256:" and 64 lower-case hex digits',
  })
}

/** `text` as a DiffID. @throws LayerError `ERR_INVALID_ARGUMENT` */
export function asDiffID(text: string): DiffID {
  return asDigest(text) as DiffID
}

/** `text` as a ChainID. @throws LayerError `ERR_INVALID_ARGUMENT` */
export function asChainID(text: string): ChainID {
  return asDigest(text) as ChainID
}

/** Whether `text` is a well-formed driver id (moby's `^[a-f0-9]{64}(-init)?$`). */
export function isCacheID(text: unknown): text is CacheID {
  return typeof text === 'string' && CACHE_ID.test(text)
}

/** `text` as a driver id. @throws LayerError `ERR_INVALID_ARGUMENT` */
export function asCacheID(text: string): CacheID {
  if (isCacheID(text)) return text
  throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot use ${JSON.stringify(text)} as a layer id`)
}

/**
 * A new random driver id. Like Docker's generator it draws again while the first twelve characters
 * are all digits, so that a short id is never taken for a number.
 */
export function newCacheID(): CacheID {
  for (;;) {
    const id = randomBytes(32).toString('hex')
    if (!/^[0-9]{12}/.test(id)) return id as CacheID
  }
}

/** The 64 hex digits of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length)
}

/** SHA-256 of bytes or text, as a digest. */
export function digestOf(data: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`
}

/**
 * The ChainID of a layer on `parent`, or of a base layer (OCI image spec, "Layer ChainID").
 *
 * @example
 * ```ts
 * import { EMPTY_DIFF_ID, chainIDOf } from '@varve/core'
 *
 * console.assert(chainIDOf(undefined, EMPTY_DIFF_ID) === (EMPTY_DIFF_ID as string))
 * console.assert(chainIDOf(chainIDOf(undefined, EMPTY_DIFF_ID), EMPTY_DIFF_ID).endsWith('d548'))
 * ```
 */
export function chainIDOf(parent: ChainID | undefined, diffID: DiffID): ChainID {
  return (parent === undefined ? diffID : digestOf(`${parent} ${diffID}`)) as string as ChainID
}

/** The ChainID of a stack of layers, base first. @throws LayerError `ERR_INVALID_ARGUMENT` if empty */
export function chainIDOfStack(diffIDs: readonly DiffID[]): ChainID {
  let chain: ChainID | undefined
  for (const id of diffIDs) chain = chainIDOf(chain, id)
  if (chain === undefined) {
    throw new LayerError('ERR_INVALID_ARGUMENT', 'Cannot name an empty stack of layers')
  }
  return chain
}

/** DiffID of the empty layer: 1,024 zero bytes. */
export const EMPTY_DIFF_ID: DiffID =
  'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef' as DiffID

/** The empty layer's tar. */
export function emptyTar(): Uint8Array {
  return new Uint8Array(1024)
}

/**
 * `text` as the name of a read-write layer: one path component of 1 to 255 bytes, as Docker's
 * container ids are, that does not begin with a dot.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT`
 */
export function asMountName(text: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/.test(text)) return text
  throw new LayerError(
    'ERR_INVALID_ARGUMENT',
    `Cannot use ${JSON.stringify(text)} as the name of a read-write layer`,
    { hint: 'Use up to 255 letters, digits, "_", "-" and ".", and no "." in front' },
  )
}
