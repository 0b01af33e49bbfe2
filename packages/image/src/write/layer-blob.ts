import { createHash } from 'node:crypto'
import { compress } from '@varve/archive'
import { cleanUp, type Descriptor, type Digest, type Layer, LayerError } from '@varve/core'
import { writeAll } from '../disk/files.ts'
import type { ImageFiles, Work } from '../disk/image-files.ts'
import { rememberTarSize, tarSizeOf } from '../disk/tar-sizes.ts'
import { layerCompression, OCI_LAYER } from '../document/media-types.ts'
import { blobPath, openBlob } from '../source/blob.ts'
import { openDirectoryTree } from '../source/directory-tree.ts'
import { readRange } from '../source/read-range.ts'
import type { Compression } from '../types/transfer.ts'
import type { OutFile } from './out-file.ts'

/** How a layer becomes a blob. */
export interface LayerBlobOptions {
  readonly compression: Compression
  readonly reproducible: boolean
  readonly signal?: AbortSignal | undefined
  readonly onBytes: (count: number) => void
}

/** A layer as a file to write; `close` it once it is written. */
export interface LayerBlob extends OutFile {
  readonly descriptor: Descriptor
  close(): Promise<void>
}

const nothingToClose = async (): Promise<void> => undefined

/** The layer's tar itself, or compressed by way of a scratch file. */
export async function layerBlob(
  files: ImageFiles,
  work: Work,
  layer: Layer,
  options: LayerBlobOptions,
): Promise<LayerBlob> {
  const { compression } = options
  return compression === 'none'
    ? await plainBlob(files, work, layer, options)
    : await compressedBlob(work, layer, compression, options)
}

async function plainBlob(
  files: ImageFiles,
  work: Work,
  layer: Layer,
  options: LayerBlobOptions,
): Promise<LayerBlob> {
  const size =
    (await tarSizeOf(files, layer.diffID)) ?? (await measure(files, work, layer, options))
  return {
    name: blobPath(layer.diffID),
    size,
    descriptor: { mediaType: OCI_LAYER.none, digest: layer.diffID, size },
    open: () => exactly(read(layer, options), size, `layer ${layer.chainID}`),
    close: nothingToClose,
  }
}

/** Reads a layer only to learn its size. */
async function measure(
  files: ImageFiles,
  work: Work,
  layer: Layer,
  { signal }: LayerBlobOptions,
): Promise<number> {
  let size = 0
  for await (const chunk of layer.tar(signal ? { signal } : {})) size += chunk.length
  await rememberTarSize(files, work, layer.diffID, size)
  return size
}

async function compressedBlob(
  work: Work,
  layer: Layer,
  format: 'gzip' | 'zstd',
  options: LayerBlobOptions,
): Promise<LayerBlob> {
  const file = await work.scratch()
  try {
    const hash = createHash('sha256')
    let size = 0
    const { reproducible } = options
    for await (const chunk of compress(read(layer, options), format, { reproducible })) {
      hash.update(chunk)
      size += chunk.length
      await writeAll(file, chunk)
    }
    const digest: Digest = `sha256:${hash.digest('hex')}`
    const { signal } = options
    return {
      name: blobPath(digest),
      size,
      descriptor: { mediaType: OCI_LAYER[format], digest, size },
      open: () => readRange(file, { start: 0, size, label: `layer ${layer.chainID}`, signal }),
      close: () => file.close(),
    }
  } catch (error) {
    throw await cleanUp(error, () => file.close())
  }
}

/**
 * The blob that a manifest names, from where it is kept, or from the layer if it is the layer's
 * own tar; undefined if its bytes are not to be had.
 */
export async function originalBlob(
  files: ImageFiles,
  layer: Layer,
  descriptor: Descriptor,
  options: LayerBlobOptions,
): Promise<LayerBlob | undefined> {
  const { digest, size } = descriptor
  const blob = { name: blobPath(digest), size, descriptor, close: nothingToClose }
  if ((await files.blobSize(digest)) === size) {
    const { signal, onBytes } = options
    const tree = await openDirectoryTree(files.paths.own)
    return {
      ...blob,
      open: () => counted(openBlob(tree, blobPath(digest), descriptor, { signal }), onBytes),
    }
  }
  const isPlain = layerCompression(descriptor.mediaType) === 'none'
  if (!isPlain || (digest as string) !== layer.diffID) return undefined
  return { ...blob, open: () => exactly(read(layer, options), size, `layer ${layer.chainID}`) }
}

function read(layer: Layer, { signal, onBytes }: LayerBlobOptions): AsyncIterable<Uint8Array> {
  return counted(layer.tar(signal ? { signal } : {}), onBytes)
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    onBytes(chunk.length)
    yield chunk
  }
}

/** The header with the size is written by now: another length would shift all that follows. */
async function* exactly(
  source: AsyncIterable<Uint8Array>,
  size: number,
  what: string,
): AsyncGenerator<Uint8Array> {
  let got = 0
  const wrong = () =>
    new LayerError('ERR_CORRUPT_METADATA', `Cannot write ${what}: its tar is not ${size} bytes`, {
      data: { expected: size, got },
    })
  for await (const chunk of source) {
    got += chunk.length
    if (got > size) throw wrong()
    yield chunk
  }
  if (got !== size) throw wrong()
}
