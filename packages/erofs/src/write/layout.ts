import { LayerError } from '@varve/core/errors'
import { chunkBits } from '../apply/sparse.ts'
import { COMPACT, EXTENDED, LAYOUT, SLOT } from '../format/inode.ts'
import { type Extent, HELD, S } from '../tree/files.ts'
import type { Tree } from '../tree/tree.ts'
import { directoryBlocks } from './directory-blocks.ts'
import { type WrittenXattrs, writtenXattrs } from './shared-xattrs.ts'
import { type Walked, walk } from './walk.ts'

/** Addresses of blocks have 32 bits, and the last one means a hole. */
const MAX_BLOCKS = 0xffff_fffe
/** The first slot is left free: a file of number 0 would be one that is deleted. */
const FIRST_SLOT = 1

/** How and where metadata is written. */
export interface LayoutOptions {
  readonly blockBits: number
  /** The block where metadata begins. */
  readonly start: number
  /** The pieces of a file that has holes, in blocks of the image. */
  extentsOf(file: number): readonly Extent[]
}

/** Where the metadata of a tree goes in an image; arrays are by file. */
export interface Layout {
  readonly blockBytes: number
  /** All files, and the sorted names of directories. */
  readonly walked: Walked
  readonly xattrs: WrittenXattrs
  /** Time of compact inodes. */
  readonly buildTime: { readonly sec: number; readonly nsec: number }
  /** First block of the shared xattrs, and of the inodes. */
  readonly xattrAddress: number
  readonly metaAddress: number
  /** Where an inode is, in slots from `metaAddress` on. */
  readonly nids: Uint32Array
  /** One of `LAYOUT`. */
  readonly layouts: Uint8Array
  readonly isExtended: Uint8Array
  readonly links: Uint32Array
  /** Bytes of directories and symbolic links on disk. */
  readonly lengths: Uint32Array
  /** First block of what a directory or symbolic link has, if it is not inline. */
  readonly addresses: Uint32Array
  /** The block behind the last one of inodes, and of all metadata. */
  readonly inodesEnd: number
  readonly end: number
}

/** Decides where everything goes; nothing is written. @throws LayerError `ERR_LIMIT_EXCEEDED` */
export function layOut(tree: Tree, options: LayoutOptions): Layout {
  const { files } = tree
  const blockBytes = 2 ** options.blockBits
  const walked = walk(tree)
  const xattrs = writtenXattrs(tree, walked.files)
  const buildTime = usualTime(tree, walked.files)
  const blocksOf = (bytes: number) => Math.ceil(bytes / blockBytes)
  const metaAddress = options.start + blocksOf(xattrs.shared.length)
  const nids = new Uint32Array(files.count)
  const layouts = new Uint8Array(files.count)
  const isExtended = new Uint8Array(files.count)
  const links = new Uint32Array(files.count)
  const lengths = new Uint32Array(files.count)
  const addresses = new Uint32Array(files.count)

  let at = FIRST_SLOT * SLOT
  for (const file of walked.files) {
    const type = files.type(file)
    const isDirectory = type === S.IFDIR
    links[file] = isDirectory
      ? (walked.subdirectories[file] as number) + 2
      : (files.links[file] as number)
    if (isDirectory) lengths[file] = directoryLength(tree, walked.entriesOf(file), blockBytes)
    else if (type === S.IFLNK) lengths[file] = files.size[file] as number
    isExtended[file] = fitsCompact(tree, file, links[file] as number, buildTime) ? 0 : 1
    const inode = isExtended[file] ? EXTENDED : COMPACT
    const head = inode + xattrs.body(files.xattrs[file] as number).length
    const length = lengths[file] as number
    const isInline = length > 0 && head + length <= blockBytes
    let chunks = 0
    if (isInline) layouts[file] = LAYOUT.inline
    if (type === S.IFREG && files.held[file] === HELD.pieces) {
      layouts[file] = LAYOUT.chunks
      const size = files.size[file] as number
      const bits = chunkBits(options.extentsOf(file), size, blockBytes)
      chunks = Math.ceil(size / (blockBytes * 2 ** bits))
    }
    at = Math.ceil(at / SLOT) * SLOT
    // Neither an inode nor what is inline may cross the end of a block.
    const together = isInline ? head + length : inode
    if ((at % blockBytes) + together > blockBytes) at = blocksOf(at) * blockBytes
    nids[file] = at / SLOT
    at += head + (isInline ? length : chunks * 4)
  }
  const inodesEnd = metaAddress + blocksOf(at)
  let end = inodesEnd
  for (const file of walked.files) {
    const length = lengths[file] as number
    if (length === 0 || layouts[file] === LAYOUT.inline) continue
    addresses[file] = end
    end += blocksOf(length)
  }
  requireAddress(end)
  return {
    blockBytes,
    walked,
    xattrs,
    buildTime,
    xattrAddress: options.start,
    metaAddress,
    nids,
    layouts,
    isExtended,
    links,
    lengths,
    addresses,
    inodesEnd,
    end,
  }
}

/** @throws LayerError `ERR_LIMIT_EXCEEDED` for more blocks than there are addresses */
export function requireAddress(blocks: number): void {
  if (blocks <= MAX_BLOCKS) return
  throw new LayerError(
    'ERR_LIMIT_EXCEEDED',
    'Cannot write EROFS image: it has more blocks than 32 bits can count',
    { data: { blocks, limit: MAX_BLOCKS } },
  )
}

function fitsCompact(
  { files }: Tree,
  file: number,
  links: number,
  { sec, nsec }: Layout['buildTime'],
): boolean {
  return (
    files.sec[file] === sec &&
    files.nsec[file] === nsec &&
    (files.uid[file] as number) <= 0xffff &&
    (files.gid[file] as number) <= 0xffff &&
    (files.size[file] as number) <= 0xffff_ffff &&
    links <= 0xffff
  )
}

function directoryLength(tree: Tree, entries: Int32Array, blockBytes: number): number {
  let length = 0
  for (const block of directoryBlocks(tree.names, entries, blockBytes)) {
    length += block.to === entries.length ? block.bytes : blockBytes
  }
  return length
}

/** The time that most files have, if any has more than half (Boyer and Moore's vote). */
function usualTime({ files }: Tree, order: Int32Array): Layout['buildTime'] {
  let candidate = order[0] as number
  let votes = 0
  for (const file of order) {
    const same =
      files.sec[file] === files.sec[candidate] && files.nsec[file] === files.nsec[candidate]
    if (same) votes++
    else if (votes > 0) votes--
    else {
      candidate = file
      votes = 1
    }
  }
  return { sec: files.sec[candidate] as number, nsec: files.nsec[candidate] as number }
}
