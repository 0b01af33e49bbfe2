import { createHash } from 'node:crypto'
import { type Descriptor, type Digest, digestOf, hexOf, LayerError } from '@varve/core'
import { type FileTree, missing, type ReadOptions, readSmall } from './file-tree.ts'

/** What must be true of a blob. */
export type Expected = Pick<Descriptor, 'digest'> & { readonly size?: number }

/** Where an OCI image layout keeps a blob (OCI image spec, "Image Layout"). */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`
}

function wrongSize(label: string, { digest, size }: Expected, got: number): LayerError {
  return new LayerError(
    'ERR_DIGEST_MISMATCH',
    `Cannot read blob ${digest} in ${label}: it has ${got} bytes, not ${size}`,
    { data: { digest, expected: size, got } },
  )
}

function wrongDigest(label: string, expected: Digest, actual: Digest): LayerError {
  return new LayerError(
    'ERR_DIGEST_MISMATCH',
    `Cannot read blob ${expected} in ${label}: its bytes are those of ${actual}`,
    { data: { expected, actual }, hint: 'The image was damaged or altered; get it again' },
  )
}

/** A small blob whole, size and digest checked. */
export async function readBlob(
  tree: FileTree,
  expected: Expected,
  options?: ReadOptions,
): Promise<Uint8Array> {
  const bytes = await readSmall(tree, blobPath(expected.digest), options)
  if (expected.size !== undefined && bytes.length !== expected.size) {
    throw wrongSize(tree.label, expected, bytes.length)
  }
  const actual = digestOf(bytes)
  if (actual !== expected.digest) throw wrongDigest(tree.label, expected.digest, actual)
  return bytes
}

/**
 * A blob's size in bytes.
 *
 * @throws LayerError `ERR_BLOB_NOT_FOUND`, `ERR_UNSAFE_PATH`; `ERR_DIGEST_MISMATCH` if another was
 *   expected
 */
export async function sizeOfBlob(
  tree: FileTree,
  name: string,
  expected?: Expected,
): Promise<number> {
  const size = await tree.size(name)
  if (size === undefined) throw missing(name, tree.label)
  if (expected?.size === undefined || expected.size === size) return size
  throw wrongSize(tree.label, expected, size)
}

/**
 * A blob's bytes, passed through as they are read; the stream ends in an error unless size and
 * digest are right.
 *
 * @throws LayerError `ERR_BLOB_NOT_FOUND`, `ERR_DIGEST_MISMATCH`, `ERR_TRUNCATED`
 */
export async function* openBlob(
  tree: FileTree,
  name: string,
  expected: Expected,
  options?: ReadOptions,
): AsyncGenerator<Uint8Array> {
  await sizeOfBlob(tree, name, expected)
  const hash = createHash('sha256')
  for await (const chunk of tree.open(name, options)) {
    hash.update(chunk)
    yield chunk
  }
  const actual: Digest = `sha256:${hash.digest('hex')}`
  if (actual !== expected.digest) throw wrongDigest(tree.label, expected.digest, actual)
}
