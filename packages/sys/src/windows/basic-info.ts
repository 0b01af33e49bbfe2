import type { FileBasicInfo } from './hcs.ts'

/** Size of a `FILE_BASIC_INFO` in memory. */
export const BASIC_INFO_BYTES = 40

/** `FILE_ATTRIBUTE_*` of winnt.h. */
export const ATTRIBUTE = {
  readOnly: 0x1,
  directory: 0x10,
  normal: 0x80,
  reparsePoint: 0x400,
} as const

/** `FILE_BASIC_INFO` as it lies in memory. */
export function infoBytes(info: FileBasicInfo): Buffer {
  const bytes = Buffer.alloc(BASIC_INFO_BYTES)
  bytes.writeBigInt64LE(info.creation, 0)
  bytes.writeBigInt64LE(info.lastAccess, 8)
  bytes.writeBigInt64LE(info.lastWrite, 16)
  bytes.writeBigInt64LE(info.change, 24)
  bytes.writeUInt32LE(info.attributes, 32)
  return bytes
}

/** Reads what {@link infoBytes} writes. */
export function parseInfo(bytes: Buffer): FileBasicInfo {
  return {
    creation: bytes.readBigInt64LE(0),
    lastAccess: bytes.readBigInt64LE(8),
    lastWrite: bytes.readBigInt64LE(16),
    change: bytes.readBigInt64LE(24),
    attributes: bytes.readUInt32LE(32),
  }
}
