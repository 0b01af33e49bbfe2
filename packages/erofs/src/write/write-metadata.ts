import { chunkBits } from '../apply/sparse.ts'
import { DIRENT, encodeDirent } from '../format/dirents.ts'
import { encodeInode, LAYOUT, NO_ADDRESS, SLOT } from '../format/inode.ts'
import { xattrCountOf } from '../format/xattrs.ts'
import type { ImageFile } from '../storage.ts'
import { type Extent, S } from '../tree/files.ts'
import type { Tree } from '../tree/tree.ts'
import { directoryBlocks, nameLength, SELF, UP } from './directory-blocks.ts'
import type { Layout } from './layout.ts'
import { SequentialWriter } from './sequential.ts'

/** Where contents are, in blocks of the image. */
export interface DataPlaces {
  /** Where a file begins that is in one piece. */
  addressOf(file: number): number
  /** Pieces of one that has holes, at addresses. */
  extentsOf(file: number): readonly Extent[]
}

const DOTS = Uint8Array.of(0x2e, 0x2e)

/** Writes shared xattrs, inodes, directories and long link targets where the layout says. */
export async function writeMetadata(
  tree: Tree,
  layout: Layout,
  places: DataPlaces,
  file: ImageFile,
): Promise<void> {
  const { blockBytes, walked, lengths, layouts, addresses } = layout
  const start = layout.xattrAddress * blockBytes
  const out = new SequentialWriter(file, start)
  if (layout.xattrs.shared.length > 0) out.put(start, layout.xattrs.shared)
  let ino = 1
  for (const each of walked.files) {
    writeInode(tree, layout, places, out, each, ino++)
    if (out.isFull) await out.flush()
  }
  for (const each of walked.files) {
    if (lengths[each] === 0 || layouts[each] === LAYOUT.inline) continue
    writeContent(tree, layout, out, each, (addresses[each] as number) * blockBytes)
    if (out.isFull) await out.flush()
  }
  out.place(layout.end * blockBytes, 0)
  await out.flush()
}

function writeInode(
  tree: Tree,
  layout: Layout,
  places: DataPlaces,
  out: SequentialWriter,
  file: number,
  ino: number,
): void {
  const { files } = tree
  const { blockBytes, metaAddress, nids, layouts, lengths } = layout
  const position = metaAddress * blockBytes + (nids[file] as number) * SLOT
  const type = files.type(file)
  const xattrs = layout.xattrs.body(files.xattrs[file] as number)
  const isDirectory = type === S.IFDIR
  const extended = layout.isExtended[file] === 1
  const size = isDirectory ? (lengths[file] as number) : (files.size[file] as number)
  const isChunked = layouts[file] === LAYOUT.chunks
  const extents = isChunked ? places.extentsOf(file) : []
  const bits = isChunked ? chunkBits(extents, size, blockBytes) : 0
  const { view, at } = out.place(position, extended ? 64 : 32)
  const length = encodeInode(view, at, {
    extended,
    layout: layouts[file] as number,
    xattrCount: xattrCountOf(xattrs.length),
    mode: files.mode[file] as number,
    size,
    u: isChunked ? bits : startOf(tree, layout, places, file, type),
    ino,
    uid: files.uid[file] as number,
    gid: files.gid[file] as number,
    sec: files.sec[file] as number,
    nsec: files.nsec[file] as number,
    links: layout.links[file] as number,
  })
  if (xattrs.length > 0) out.put(position + length, xattrs)
  const behind = position + length + xattrs.length
  if (isChunked) writeChunks(out, behind, extents, bits, Math.ceil(size / blockBytes))
  else if (layouts[file] === LAYOUT.inline) writeContent(tree, layout, out, file, behind)
}

/** What the address field of an inode holds. */
function startOf(
  { files }: Tree,
  { layouts, lengths, addresses }: Layout,
  places: DataPlaces,
  file: number,
  type: number,
): number {
  if (type === S.IFREG) return files.size[file] === 0 ? 0 : places.addressOf(file)
  if (type === S.IFCHR || type === S.IFBLK) return files.data[file] as number
  if (layouts[file] === LAYOUT.inline || lengths[file] === 0) return 0
  return addresses[file] as number
}

/** The addresses of all chunks of a file. */
function writeChunks(
  out: SequentialWriter,
  position: number,
  extents: readonly Extent[],
  bits: number,
  blocks: number,
): void {
  const chunk = 2 ** bits
  const count = Math.ceil(blocks / chunk)
  const { view, at } = out.place(position, count * 4)
  for (let i = 0; i < count; i++) view.setUint32(at + i * 4, NO_ADDRESS, true)
  for (const { from, blocks: length, at: address } of extents) {
    for (let done = 0; done < length; done += chunk) {
      view.setUint32(at + ((from + done) / chunk) * 4, address + done, true)
    }
  }
}

/** A directory's blocks or a link's target. */
function writeContent(
  tree: Tree,
  layout: Layout,
  out: SequentialWriter,
  file: number,
  position: number,
): void {
  if (tree.files.type(file) === S.IFLNK) {
    out.put(position, tree.targetOf(file))
    return
  }
  const entries = layout.walked.entriesOf(file)
  let at = position
  for (const { from, to, bytes } of directoryBlocks(tree.names, entries, layout.blockBytes)) {
    writeBlock(tree, layout, out, file, entries.subarray(from, to), at, bytes)
    at += layout.blockBytes
  }
}

function writeBlock(
  { names, files }: Tree,
  { nids, walked }: Layout,
  out: SequentialWriter,
  directory: number,
  entries: Int32Array,
  position: number,
  bytes: number,
): void {
  const { view, at } = out.place(position, bytes)
  const block = new Uint8Array(view.buffer, at, bytes)
  const name = walked.directoryName[directory] as number
  const up = names.file[names.parent[name] as number] as number
  let nameAt = entries.length * DIRENT
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as number
    const file = entry === SELF ? directory : entry === UP ? up : (names.file[entry] as number)
    encodeDirent(view, at + i * DIRENT, nids[file] as number, nameAt, files.type(file))
    if (entry < 0) block.set(DOTS.subarray(0, -entry), nameAt)
    else names.copyTo(entry, block, nameAt)
    nameAt += nameLength(names, entry)
  }
}
