import { corrupt } from '../fault.ts'

/** A nid counts in these, from the block at `metaAddress` on. */
export const SLOT = 32
/** Bytes of `struct erofs_inode_compact` and `struct erofs_inode_extended` (Linux erofs_fs.h). */
export const COMPACT = 32
export const EXTENDED = 64
/** How an inode's content is laid out. */
export const LAYOUT = { plain: 0, inline: 2, chunks: 4 } as const
/** An address that is a hole. */
export const NO_ADDRESS = 0xffffffff
/** Chunk format bits: how long, and whether each has 8 bytes, with a device, rather than 4. */
export const CHUNK_BITS_MASK = 0x1f
export const CHUNK_INDEXES = 0x20

/** What an inode says. */
export interface Inode {
  readonly extended: boolean
  readonly layout: number
  /** Of its extended attributes, in the on-disk count; 0 for none. */
  readonly xattrCount: number
  readonly mode: number
  readonly size: number
  /** First block, device number or chunk format, by type and layout. */
  readonly u: number
  readonly ino: number
  readonly uid: number
  readonly gid: number
  readonly sec: number
  readonly nsec: number
  readonly links: number
}

/** Writes an inode and returns its length. */
export function encodeInode(view: DataView, at: number, inode: Inode): number {
  view.setUint16(at, (inode.extended ? 1 : 0) | (inode.layout << 1), true)
  view.setUint16(at + 2, inode.xattrCount, true)
  view.setUint16(at + 4, inode.mode, true)
  view.setUint32(at + 16, inode.u, true)
  view.setUint32(at + 20, inode.ino, true)
  if (!inode.extended) {
    view.setUint16(at + 6, inode.links, true)
    view.setUint32(at + 8, inode.size, true)
    view.setUint16(at + 24, inode.uid, true)
    view.setUint16(at + 26, inode.gid, true)
    return COMPACT
  }
  setUint64(view, at + 8, inode.size)
  view.setUint32(at + 24, inode.uid, true)
  view.setUint32(at + 28, inode.gid, true)
  setUint64(view, at + 32, inode.sec)
  view.setUint32(at + 40, inode.nsec, true)
  view.setUint32(at + 44, inode.links, true)
  return EXTENDED
}

/**
 * @param bytes 64 bytes from where it begins, or 32 if there are no more
 * @param buildTime of inodes that have none of their own
 * @throws LayerError `ERR_CORRUPT_LAYER`
 */
export function decodeInode(
  bytes: Uint8Array,
  buildTime: { readonly sec: number; readonly nsec: number },
): Inode {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < COMPACT) throw corrupt('an inode lies beyond its end')
  const format = view.getUint16(0, true)
  const extended = (format & 1) !== 0
  const layout = (format >> 1) & 7
  if (extended && bytes.length < EXTENDED) throw corrupt('an inode lies beyond its end')
  // Bit 4 and more: what newer kernels know of.
  if (format >> 4 !== 0) throw corrupt(`an inode has the unknown format ${format}`)
  const common = {
    extended,
    layout,
    xattrCount: view.getUint16(2, true),
    mode: view.getUint16(4, true),
    u: view.getUint32(16, true),
    ino: view.getUint32(20, true),
  }
  if (!extended) {
    return {
      ...common,
      size: view.getUint32(8, true),
      uid: view.getUint16(24, true),
      gid: view.getUint16(26, true),
      links: view.getUint16(6, true),
      ...buildTime,
    }
  }
  return {
    ...common,
    size: getUint64(view, 8),
    uid: view.getUint32(24, true),
    gid: view.getUint32(28, true),
    sec: Number(view.getBigInt64(32, true)),
    nsec: view.getUint32(40, true),
    links: view.getUint32(44, true),
  }
}

function setUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true)
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true)
}

/** @throws LayerError for what is beyond 2⁵³ */
function getUint64(view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
  if (!Number.isSafeInteger(value)) throw corrupt('a file is longer than 2^53 bytes')
  return value
}
