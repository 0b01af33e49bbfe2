import { statfs } from 'node:fs/promises'

/** `f_type` of statfs(2) (linux/magic.h) → the names that Docker prints. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'extfs',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  16914836: 'tmpfs',
  2035054128: 'overlayfs',
  801189825: 'zfs',
  4076150800: 'f2fs',
  26985: 'nfs',
  1702057286: 'fuse',
}

/** What the file system of a path is called; its number in hex if it is none of the usual. */
export async function fileSystemOf(path: string): Promise<string> {
  const { type } = await statfs(path)
  // Some runtimes give it as a signed number.
  const number = type >>> 0
  return FILE_SYSTEMS[number] ?? `0x${number.toString(16)}`
}
