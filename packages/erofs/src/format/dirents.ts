import { corrupt } from '../fault.ts'
import { S } from '../tree/files.ts'

/** Bytes of `struct erofs_dirent`: nid, offset of the name, type, one that is not used. */
export const DIRENT = 12
/** `<linux/fs_types.h>`: the type of what a name names. */
const FILE_TYPES: Readonly<Record<number, number>> = {
  [S.IFREG]: 1,
  [S.IFDIR]: 2,
  [S.IFCHR]: 3,
  [S.IFBLK]: 4,
  [S.IFIFO]: 5,
  [S.IFSOCK]: 6,
  [S.IFLNK]: 7,
}

/** One name of a directory on disk. */
export interface Dirent {
  readonly name: Uint8Array
  readonly nid: number
}

/** Writes one dirent's fixed part. @param type one of `S` */
export function encodeDirent(
  view: DataView,
  at: number,
  nid: number,
  nameAt: number,
  type: number,
): void {
  view.setUint32(at, nid >>> 0, true)
  view.setUint32(at + 4, Math.floor(nid / 2 ** 32), true)
  view.setUint16(at + 8, nameAt, true)
  view.setUint8(at + 10, FILE_TYPES[type] ?? 0)
}

/** The names in one block of a directory, as views of it. @throws LayerError `ERR_CORRUPT_LAYER` */
export function decodeDirents(block: Uint8Array): Dirent[] {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength)
  const first = block.length < DIRENT ? 0 : view.getUint16(8, true)
  if (first < DIRENT || first % DIRENT !== 0 || first > block.length) {
    throw corrupt('a directory is malformed')
  }
  const dirents: Dirent[] = []
  let before = first
  for (let at = 0; at < first; at += DIRENT) {
    const isLast = at + DIRENT === first
    const from = view.getUint16(at + 8, true)
    let to = isLast ? block.length : view.getUint16(at + DIRENT + 8, true)
    if (from < before || to < from || to > block.length) throw corrupt('a directory is malformed')
    before = from
    // The last name of a block ends with it or with a NUL.
    const nul = isLast ? block.subarray(from, to).indexOf(0) : -1
    if (nul >= 0) to = from + nul
    const name = block.subarray(from, to)
    if (!isName(name)) throw corrupt('a directory holds a name that cannot be')
    dirents.push({ name, nid: view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true) })
  }
  return dirents
}

function isName(name: Uint8Array): boolean {
  return name.length > 0 && name.length <= 255 && !name.includes(0) && !name.includes(0x2f)
}
