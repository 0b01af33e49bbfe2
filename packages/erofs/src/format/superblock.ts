import { corrupt } from '../fault.ts'
import { crc32c } from './crc32c.ts'

// Linux fs/erofs/erofs_fs.h.
const MAGIC = 0xe0f5e1e2
/** Where the superblock begins, whatever the block size. */
export const SUPERBLOCK_OFFSET = 1024
/** Bytes of `struct erofs_super_block`. */
export const SUPERBLOCK_SIZE = 128
/** Bytes of `struct erofs_deviceslot`. */
export const DEVICE_SLOT_SIZE = 128
const COMPAT_CHECKSUM = 1
const COMPAT_MTIME = 2
const INCOMPAT_CHUNKED_FILE = 4
const INCOMPAT_DEVICE_TABLE = 8
/** What this package reads: beside those two, names of xattr prefixes that are never used here. */
const INCOMPAT_KNOWN = INCOMPAT_CHUNKED_FILE | INCOMPAT_DEVICE_TABLE
/** The kernel's sum begins with all ones and is not inverted at its end. */
const CRC_SEED = 0xffffffff
const MIN_BLOCK_BITS = 9
const MAX_BLOCK_BITS = 16
const TAG_BYTES = 64

/** Another file that the image's data is in. */
export interface DeviceSlot {
  /** Whatever tells its owner which file that is; up to 64 bytes of ASCII. */
  readonly tag: string
  /** How many blocks of it there are. */
  readonly blocks: number
  /** The block address from which on addresses mean this file. */
  readonly address: number
}

/** What the superblock says. Addresses are in blocks. */
export interface Superblock {
  readonly blockBits: number
  readonly rootNid: number
  readonly inodes: number
  /** Time of all inodes that have none of their own. */
  readonly buildTime: { readonly sec: number; readonly nsec: number }
  readonly blocks: number
  readonly metaAddress: number
  readonly xattrAddress: number
  readonly uuid: Uint8Array
  readonly hasChunks: boolean
  readonly devices: number
  /** In slots of 128 bytes from the beginning of the image. */
  readonly deviceTable: number
}

/** The bytes from {@link SUPERBLOCK_OFFSET} to the end of what its checksum is of. */
export function encodeSuperblock(sb: Superblock): Uint8Array {
  const bytes = new Uint8Array(checkedLength(sb.blockBits))
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(8, COMPAT_CHECKSUM | COMPAT_MTIME, true)
  view.setUint8(12, sb.blockBits)
  view.setUint16(14, sb.rootNid, true)
  view.setBigUint64(16, BigInt(sb.inodes), true)
  view.setBigUint64(24, BigInt(sb.buildTime.sec), true)
  view.setUint32(32, sb.buildTime.nsec, true)
  view.setUint32(36, sb.blocks, true)
  view.setUint32(40, sb.metaAddress, true)
  view.setUint32(44, sb.xattrAddress, true)
  bytes.set(sb.uuid.subarray(0, 16), 48)
  const features =
    (sb.hasChunks ? INCOMPAT_CHUNKED_FILE : 0) | (sb.devices > 0 ? INCOMPAT_DEVICE_TABLE : 0)
  view.setUint32(80, features, true)
  view.setUint16(86, sb.devices, true)
  view.setUint16(88, sb.deviceTable, true)
  view.setUint32(4, crc32c(bytes, CRC_SEED), true)
  return bytes
}

/**
 * @param image the image's first bytes: 1,024 and a block of any size
 * @throws LayerError `ERR_CORRUPT_LAYER` for what is no EROFS image or is damaged
 */
export function decodeSuperblock(image: Uint8Array): Superblock {
  // Not `slice`, which for a Node Buffer is a view of the same memory.
  const bytes = new Uint8Array(image.subarray(SUPERBLOCK_OFFSET))
  if (bytes.length < SUPERBLOCK_SIZE) throw corrupt('it is too short for a superblock')
  const view = new DataView(bytes.buffer)
  if (view.getUint32(0, true) !== MAGIC) throw corrupt('it has no EROFS superblock')
  const blockBits = view.getUint8(12)
  if (blockBits < MIN_BLOCK_BITS || blockBits > MAX_BLOCK_BITS) {
    throw corrupt(`blocks of 2^${blockBits} bytes cannot be`)
  }
  if (view.getUint32(8, true) & COMPAT_CHECKSUM) {
    const covered = bytes.subarray(0, checkedLength(blockBits))
    const sum = view.getUint32(4, true)
    view.setUint32(4, 0, true)
    if (covered.length < checkedLength(blockBits) || crc32c(covered, CRC_SEED) !== sum) {
      throw corrupt('the checksum of its superblock is wrong')
    }
  }
  const features = view.getUint32(80, true)
  const unknown = features & ~INCOMPAT_KNOWN
  if (unknown !== 0) throw corrupt(`it uses features that are unknown here (${unknown})`)
  return {
    blockBits,
    rootNid: view.getUint16(14, true),
    inodes: Number(view.getBigUint64(16, true)),
    buildTime: { sec: Number(view.getBigInt64(24, true)), nsec: view.getUint32(32, true) },
    blocks: view.getUint32(36, true),
    metaAddress: view.getUint32(40, true),
    xattrAddress: view.getUint32(44, true),
    uuid: bytes.slice(48, 64),
    hasChunks: (features & INCOMPAT_CHUNKED_FILE) !== 0,
    devices: features & INCOMPAT_DEVICE_TABLE ? view.getUint16(86, true) : 0,
    deviceTable: view.getUint16(88, true),
  }
}

/** As many bytes from the superblock on as the kernel sums up: to the end of its block. */
function checkedLength(blockBits: number): number {
  const block = 2 ** blockBits
  return block > SUPERBLOCK_OFFSET ? block - SUPERBLOCK_OFFSET : block
}

/** The table of devices. */
export function encodeDevices(devices: readonly DeviceSlot[]): Uint8Array {
  const bytes = new Uint8Array(devices.length * DEVICE_SLOT_SIZE)
  const view = new DataView(bytes.buffer)
  for (const [i, { tag, blocks, address }] of devices.entries()) {
    const at = i * DEVICE_SLOT_SIZE
    new TextEncoder().encodeInto(tag, bytes.subarray(at, at + TAG_BYTES))
    view.setUint32(at + 64, blocks, true)
    view.setUint32(at + 68, address, true)
  }
  return bytes
}

/** The devices of a table. */
export function decodeDevices(bytes: Uint8Array): DeviceSlot[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const devices: DeviceSlot[] = []
  for (let at = 0; at + DEVICE_SLOT_SIZE <= bytes.length; at += DEVICE_SLOT_SIZE) {
    const tag = new TextDecoder().decode(bytes.subarray(at, at + TAG_BYTES))
    devices.push({
      tag: tag.split('\0', 1)[0] ?? '',
      blocks: view.getUint32(at + 64, true),
      address: view.getUint32(at + 68, true),
    })
  }
  return devices
}
