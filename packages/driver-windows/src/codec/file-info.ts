import type { FileBasicInfo } from '@varve/sys'

export type { FileBasicInfo } from '@varve/sys'

/** `FILE_ATTRIBUTE_*` bits of the Windows SDK's winnt.h that mean something here. */
export const ATTRIBUTE = {
  readOnly: 0x1,
  hidden: 0x2,
  system: 0x4,
  directory: 0x10,
  archive: 0x20,
  normal: 0x80,
  sparse: 0x200,
  reparsePoint: 0x400,
} as const

/** Size of `FILE_BASIC_INFO` on x86_64 in bytes (minwinbase.h). */
export const BASIC_INFO_BYTES = 40

/** As it lies in memory. */
export function encodeBasicInfo(info: FileBasicInfo): Uint8Array {
  const bytes = new Uint8Array(BASIC_INFO_BYTES)
  const view = new DataView(bytes.buffer)
  const { creation, lastAccess, lastWrite, change } = info
  for (const [i, time] of [creation, lastAccess, lastWrite, change].entries()) {
    view.setBigInt64(i * 8, time, true)
  }
  view.setUint32(32, info.attributes, true)
  return bytes
}

/** @param bytes at least {@link BASIC_INFO_BYTES} of them */
export function parseBasicInfo(bytes: Uint8Array): FileBasicInfo {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return {
    creation: view.getBigInt64(0, true),
    lastAccess: view.getBigInt64(8, true),
    lastWrite: view.getBigInt64(16, true),
    change: view.getBigInt64(24, true),
    attributes: view.getUint32(32, true),
  }
}

/** Whether the attributes say that it is a directory. */
export function isDirectory({ attributes }: FileBasicInfo): boolean {
  return (attributes & ATTRIBUTE.directory) !== 0
}
