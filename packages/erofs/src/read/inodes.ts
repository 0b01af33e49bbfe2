import { corrupt } from '../fault.ts'
import { type Dirent, decodeDirents } from '../format/dirents.ts'
import {
  CHUNK_BITS_MASK,
  CHUNK_INDEXES,
  COMPACT,
  decodeInode,
  EXTENDED,
  type Inode,
  LAYOUT,
  NO_ADDRESS,
  SLOT,
} from '../format/inode.ts'
import type { DeviceSlot, Superblock } from '../format/superblock.ts'
import { BODY_HEADER, decodeXattr, xattrBytesOf } from '../format/xattrs.ts'
import type { Xattr } from '../tree/xattr-sets.ts'
import type { Pages } from './pages.ts'

/** A run of a file's content. */
export interface Run {
  /** In bytes; it may go beyond the end of the file. */
  readonly length: number
  /** Where it is; undefined for a hole. */
  readonly place: Place | undefined
}

/** Bytes of an image or of one of its devices. */
export interface Place {
  /** −1 for the image itself. */
  readonly device: number
  readonly position: number
}

/** The longest header of shared ids, and an attribute with the longest name and value. */
const XATTR_BYTES = 4 + 255 + 0xffff

/** Reads inodes and what belongs to them; for steps of {@link Pages}. */
export class Inodes {
  readonly #pages: Pages
  readonly #sb: Superblock
  readonly #devices: readonly DeviceSlot[]
  readonly #blockBytes: number

  constructor(pages: Pages, sb: Superblock, devices: readonly DeviceSlot[]) {
    this.#pages = pages
    this.#sb = sb
    this.#devices = devices
    this.#blockBytes = 2 ** sb.blockBits
  }

  /** @throws LayerError `ERR_CORRUPT_LAYER`, as everything here */
  inode(nid: number): Inode {
    return decodeInode(this.#pages.bytes(this.#position(nid), EXTENDED), this.#sb.buildTime)
  }

  xattrs(nid: number, inode: Inode): Xattr[] {
    const bytes = xattrBytesOf(inode.xattrCount)
    if (bytes === 0) return []
    const body = this.#pages.bytes(this.#position(nid) + headOf(inode), bytes)
    const shared = body[4] ?? 0
    let at = BODY_HEADER + shared * 4
    if (body.length < bytes || at > bytes) throw corrupt('extended attributes are malformed')
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
    const xattrs: Xattr[] = []
    for (let i = 0; i < shared; i++) {
      const id = view.getUint32(BODY_HEADER + i * 4, true)
      const position = this.#sb.xattrAddress * this.#blockBytes + id * 4
      xattrs.push(decodeXattr(this.#pages.bytes(position, XATTR_BYTES), 0)[0])
    }
    while (at + 4 <= bytes) {
      const [xattr, next] = decodeXattr(body, at)
      xattrs.push(xattr)
      at = next
    }
    return xattrs
  }

  /** How many blocks a directory has. */
  blocksOf(directory: Inode): number {
    return Math.ceil(directory.size / this.#blockBytes)
  }

  /** The names in one block of a directory; `.` and `..` are among them. */
  dirents(nid: number, directory: Inode, block: number): Dirent[] {
    const offset = block * this.#blockBytes
    const length = Math.min(this.#blockBytes, directory.size - offset)
    return decodeDirents(this.metadata(nid, directory, offset, length))
  }

  /** Content of a directory or link, which must be in the image itself. */
  metadata(nid: number, inode: Inode, offset: number, length: number): Uint8Array {
    const run = this.run(nid, inode, offset)
    if (run.place?.device !== -1 || run.length < length)
      throw corrupt('metadata is not in one piece')
    const bytes = this.#pages.bytes(run.place.position, length)
    if (bytes.length < length) throw corrupt('metadata lies beyond its end')
    return bytes
  }

  /** The run of a file that begins at `offset`, which is within it. */
  run(nid: number, inode: Inode, offset: number): Run {
    const { layout, size, u } = inode
    const blockBytes = this.#blockBytes
    if (layout === LAYOUT.plain) return this.#at(u, offset, size - offset)
    if (layout === LAYOUT.chunks) return this.#chunk(nid, inode, offset)
    if (layout !== LAYOUT.inline) throw corrupt(`an inode has the unknown layout ${layout}`)
    const tail = size - (size % blockBytes)
    if (offset < tail) return this.#at(u, offset, tail - offset)
    const start = this.#position(nid) + headOf(inode) + xattrBytesOf(inode.xattrCount)
    if ((start % blockBytes) + size - tail > blockBytes) throw corrupt('inline data cross a block')
    return { length: size - offset, place: { device: -1, position: start + offset - tail } }
  }

  #chunk(nid: number, inode: Inode, offset: number): Run {
    const chunk = this.#blockBytes * 2 ** (inode.u & CHUNK_BITS_MASK)
    const unit = inode.u & CHUNK_INDEXES ? 8 : 4
    const head = this.#position(nid) + headOf(inode) + xattrBytesOf(inode.xattrCount)
    const index = Math.floor(offset / chunk)
    const bytes = this.#pages.bytes(Math.ceil(head / unit) * unit + index * unit, unit)
    if (bytes.length < unit) throw corrupt('the chunks of a file lie beyond its end')
    const view = new DataView(bytes.buffer, bytes.byteOffset, unit)
    const length = chunk - (offset % chunk)
    const address = view.getUint32(unit - 4, true)
    if (address === NO_ADDRESS) return { length, place: undefined }
    const device = unit === 8 ? view.getUint16(2, true) : 0
    if (device === 0) return this.#at(address, offset % chunk, length)
    if (device > this.#devices.length) throw corrupt('a file is on a device that is missing')
    const position = address * this.#blockBytes + (offset % chunk)
    return { length, place: { device: device - 1, position } }
  }

  /** Bytes from an address on, as far as they are on one device. */
  #at(address: number, offset: number, length: number): Run {
    const blockBytes = this.#blockBytes
    const at = address * blockBytes + offset
    for (const [device, { address: first, blocks }] of this.#devices.entries()) {
      const [start, end] = [first * blockBytes, (first + blocks) * blockBytes]
      if (first === 0 || at < start || at >= end) continue
      return { length: Math.min(length, end - at), place: { device, position: at - start } }
    }
    return { length, place: { device: -1, position: at } }
  }

  #position(nid: number): number {
    return this.#sb.metaAddress * this.#blockBytes + nid * SLOT
  }
}

function headOf(inode: Inode): number {
  return inode.extended ? EXTENDED : COMPACT
}
