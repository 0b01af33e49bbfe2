import { LayerError } from '@varve/core/errors'
import { LAYOUT } from '../format/inode.ts'
import { encodeSuperblock, SUPERBLOCK_OFFSET } from '../format/superblock.ts'
import { loadTree } from '../read/load-tree.ts'
import { type ByteRanges, memoryFile } from '../storage.ts'
import { addExtent, type Extent, HELD, S } from '../tree/files.ts'
import { ROOT, type Tree } from '../tree/tree.ts'
import { layOut, requireAddress } from './layout.ts'
import { writeMetadata } from './write-metadata.ts'

/** Blocks of a tar, in which a tree says where data is. */
const TAR_BLOCK = 512
const HEADER_BYTES = 4096
const READ_BYTES = 2 ** 20
const BLOCK_BITS: Readonly<Record<number, number>> = { 512: 9, 1024: 10, 2048: 11, 4096: 12 }

/** How {@link packErofs} packs. */
export interface PackErofsOptions {
  /** What the image's `devices` are, in that order. Default: none. */
  readonly devices?: readonly ByteRanges[]
  /** 512, 1024, 2048 or 4096, which every kernel since 5.4 mounts. Default 4096. */
  readonly blockSize?: number
  /** 16 bytes that name the image. Default: zeros. */
  readonly uuid?: Uint8Array
}

/**
 * One image that needs no other, of what an image of {@link writeErofs} shows: only the files that
 * are still there, each at a block of its own. A guest can mount it from a block device.
 *
 * The same layers give the same bytes.
 *
 * @param source the image of the topmost layer
 * @throws LayerError `ERR_CORRUPT_LAYER`, `ERR_LIMIT_EXCEEDED`, `ERR_INVALID_ARGUMENT` for another
 *   block size or a device that is not given
 *
 * @example
 * ```ts
 * import { memoryFile, openErofs, packErofs, writeErofs } from '@varve/erofs'
 *
 * const layer = memoryFile()
 * await writeErofs(layer, [new Uint8Array(1024)])
 * const packed = memoryFile()
 * for await (const part of packErofs(layer)) packed.write(packed.size, part)
 * console.assert((await openErofs(packed)).blockSize === 4096)
 * ```
 */
export async function* packErofs(
  source: ByteRanges,
  options: PackErofsOptions = {},
): AsyncGenerator<Uint8Array> {
  const { devices = [], blockSize = 4096 } = options
  const blockBits = BLOCK_BITS[blockSize]
  if (blockBits === undefined) {
    throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot pack blocks of ${blockSize} bytes`)
  }
  const tree = await loadTree(source)
  const missing = tree.devices[devices.length]
  if (devices.length < tree.devices.length - 1) {
    throw new LayerError('ERR_INVALID_ARGUMENT', 'Cannot pack image: a device is not given', {
      data: { device: missing?.tag },
    })
  }
  const pieces = new Pieces(tree, blockSize)
  const layout = layOut(tree, {
    blockBits,
    start: HEADER_BYTES / blockSize,
    extentsOf: (file) => pieces.of(file),
  })
  const addresses = new Uint32Array(tree.files.count)
  let end = layout.end
  for (const file of layout.walked.files) {
    addresses[file] = end
    for (const { blocks } of pieces.of(file)) end += blocks
    requireAddress(end)
  }
  const places = {
    addressOf: (file: number) => addresses[file] as number,
    extentsOf: (file: number) => pieces.placed(file, addresses[file] as number),
  }
  const metadata = memoryFile()
  await writeMetadata(tree, layout, places, metadata)
  await metadata.write(
    SUPERBLOCK_OFFSET,
    encodeSuperblock({
      blockBits,
      rootNid: layout.nids[tree.names.file[ROOT] as number] as number,
      inodes: layout.walked.files.length,
      buildTime: layout.buildTime,
      blocks: end,
      metaAddress: layout.metaAddress,
      xattrAddress: layout.xattrAddress,
      uuid: options.uuid ?? new Uint8Array(16),
      hasChunks: layout.layouts.includes(LAYOUT.chunks),
      devices: 0,
      deviceTable: 0,
    }),
  )
  for (let at = 0; at < metadata.size; at += READ_BYTES) {
    yield metadata.bytes.slice(at, at + READ_BYTES)
  }
  for (const file of layout.walked.files) {
    for (const piece of pieces.of(file)) {
      yield* contentOf(tree, [...devices, source], file, piece, blockSize)
    }
  }
}

/** Which blocks of a file are written: all of them, but for those that are holes. */
class Pieces {
  readonly #tree: Tree
  readonly #blockSize: number

  constructor(tree: Tree, blockSize: number) {
    this.#tree = tree
    this.#blockSize = blockSize
  }

  /** Pieces in blocks of the file; where they go is not known yet. */
  of(file: number): readonly Extent[] {
    const { files } = this.#tree
    const size = files.size[file] as number
    if (files.type(file) !== S.IFREG || size === 0) return []
    if (files.held[file] === HELD.whole) {
      return [{ from: 0, blocks: Math.ceil(size / this.#blockSize), at: 0 }]
    }
    const ratio = this.#blockSize / TAR_BLOCK
    const pieces: Extent[] = []
    for (const { from, blocks } of files.extents[files.data[file] as number] ?? []) {
      const last = pieces.at(-1)
      // Two pieces may begin and end in the same block.
      const first = Math.max(Math.floor(from / ratio), last ? last.from + last.blocks : 0)
      const to = Math.ceil((from + blocks) / ratio)
      if (to > first) addExtent(pieces, { from: first, blocks: to - first, at: first })
    }
    return pieces
  }

  /** The same at addresses, one behind the other. */
  placed(file: number, address: number): readonly Extent[] {
    let at = address
    return this.of(file).map((piece) => {
      const placed = { ...piece, at }
      at += piece.blocks
      return placed
    })
  }
}

/** The bytes of one piece, with zeros to the end of its last block. */
async function* contentOf(
  { files }: Tree,
  sources: readonly ByteRanges[],
  file: number,
  piece: Extent,
  blockSize: number,
): AsyncGenerator<Uint8Array> {
  const size = files.size[file] as number
  const source = sources[files.device[file] as number] as ByteRanges
  const held: readonly Extent[] =
    files.held[file] === HELD.whole
      ? [{ from: 0, blocks: Math.ceil(size / TAR_BLOCK), at: files.data[file] as number }]
      : (files.extents[files.data[file] as number] ?? [])
  const end = (piece.from + piece.blocks) * blockSize
  for (let at = piece.from * blockSize; at < end; at += READ_BYTES) {
    const part = new Uint8Array(Math.min(READ_BYTES, end - at))
    for (const { from, blocks, at: address } of held) {
      const begin = from * TAR_BLOCK
      const first = Math.max(at, begin)
      const last = Math.min(at + part.length, begin + blocks * TAR_BLOCK, size)
      if (last <= first) continue
      const bytes = await source.read(address * TAR_BLOCK + first - begin, last - first)
      part.set(bytes, first - at)
      if (bytes.length < last - first) {
        throw new LayerError('ERR_CORRUPT_LAYER', 'Cannot pack image: a file lies beyond its end')
      }
    }
    yield part
  }
}
