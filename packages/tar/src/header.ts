import { copyOf, EMPTY, endOfText, sameBytes } from './bytes.ts'
import type { SparseMap, TarEntry, TarEntryType, TarTime } from './entry.ts'
import { invalid } from './fault.ts'
import { parseNumeric, parseOctal } from './numbers.ts'

/** Every part of a tar begins at a multiple of this. */
export const BLOCK_SIZE = 512

/**
 * Typeflags, from POSIX.1-1988 (`0` to `7`), POSIX.1-2001 (`x`, `g`) and GNU tar (`L`, `K`, `S`).
 */
export const TYPEFLAG = {
  oldFile: 0x00,
  file: 0x30,
  link: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
  pax: 0x78,
  paxGlobal: 0x67,
  longName: 0x4c,
  longLink: 0x4b,
  gnuSparse: 0x53,
} as const

/** Which reading of the bytes from 257 on a block's magic asks for. */
export type BlockFormat = 'v7' | 'ustar' | 'star' | 'gnu'

const NONE: ReadonlyMap<string, Uint8Array> = new Map()

/** An entry in the making: what its own header block says, to be corrected by the extensions. */
export class EntryDraft implements TarEntry {
  type: TarEntryType = 'other'
  typeflag = 0
  name: Uint8Array = EMPTY
  linkname: Uint8Array = EMPTY
  mode = 0
  uid = 0
  gid = 0
  uname: Uint8Array = EMPTY
  gname: Uint8Array = EMPTY
  size = 0
  storedSize = 0
  claimedSize = 0
  mtime: TarTime = { sec: 0, nsec: 0 }
  atime: TarTime | undefined = undefined
  ctime: TarTime | undefined = undefined
  devmajor = 0
  devminor = 0
  xattrs: ReadonlyMap<string, Uint8Array> = NONE
  records: ReadonlyMap<string, Uint8Array> = NONE
  sparse: SparseMap | undefined = undefined
  offset = 0
}

/** Whether the 512 bytes at `at` are all NUL. */
export function isZeroBlock(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK_SIZE; i++) if (bytes[i] !== 0) return false
  return true
}

/** The format of the block at `at`. @throws Fault if its checksum is wrong */
export function blockFormat(bytes: Uint8Array, at: number): BlockFormat {
  const checksum = parseOctal(bytes, at + 148, at + 156)
  if (checksum !== unsignedSum(bytes, at) && checksum !== signedSum(bytes, at)) {
    throw invalid('no tar header here')
  }
  if (sameBytes(bytes, at + 257, MAGIC_POSIX)) {
    return sameBytes(bytes, at + 508, TRAILER_STAR) ? 'star' : 'ustar'
  }
  return sameBytes(bytes, at + 257, MAGIC_GNU) ? 'gnu' : 'v7'
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))
const MAGIC_POSIX = ascii('ustar\0')
const MAGIC_GNU = ascii('ustar  \0')
const TRAILER_STAR = ascii('tar\0')

/** Sum of the block's bytes, the checksum field counted as spaces (POSIX.1-1988). */
export function unsignedSum(bytes: Uint8Array, at: number): number {
  let sum = 8 * 0x20
  for (let i = at; i < at + 148; i++) sum += bytes[i] as number
  for (let i = at + 156; i < at + BLOCK_SIZE; i++) sum += bytes[i] as number
  return sum
}

/** The same with bytes from -128 to 127, as Sun's tar summed them. */
function signedSum(bytes: Uint8Array, at: number): number {
  let sum = 8 * 0x20
  for (let i = at; i < at + BLOCK_SIZE; i++) {
    if (i < at + 148 || i >= at + 156) sum += ((bytes[i] as number) << 24) >> 24
  }
  return sum
}

/**
 * Reads the header block at `at`.
 *
 * @param before the entry before this one, whose user and group names are used again if equal
 * @throws Fault for a wrong checksum or a number that Go refuses
 */
export function parseHeader(
  bytes: Uint8Array,
  at: number,
  format: BlockFormat,
  before: EntryDraft | undefined,
): EntryDraft {
  const entry = new EntryDraft()
  entry.typeflag = bytes[at + 156] as number
  entry.name = textField(bytes, at, at + 100)
  entry.linkname = textField(bytes, at + 157, at + 257)
  entry.mode = parseNumeric(bytes, at + 100, at + 108)
  entry.uid = parseNumeric(bytes, at + 108, at + 116)
  entry.gid = parseNumeric(bytes, at + 116, at + 124)
  entry.claimedSize = parseNumeric(bytes, at + 124, at + 136)
  const sec = parseNumeric(bytes, at + 136, at + 148)
  entry.mtime = { sec, nsec: 0 }
  // One refused number makes the sum NaN, and there is no other way to that.
  let sum = entry.mode + entry.uid + entry.gid + entry.claimedSize + sec
  if (format !== 'v7') {
    entry.uname = textField(bytes, at + 265, at + 297, before?.uname)
    entry.gname = textField(bytes, at + 297, at + 329, before?.gname)
    entry.devmajor = parseNumeric(bytes, at + 329, at + 337)
    entry.devminor = parseNumeric(bytes, at + 337, at + 345)
    sum += entry.devmajor + entry.devminor
    if (format === 'ustar') prefixName(entry, bytes, at + 345, at + 500)
    else if (format === 'star') sum += parseStar(entry, bytes, at)
    else parseGnuTimes(entry, bytes, at)
  }
  if (Number.isNaN(sum)) throw invalid('a number in the header is malformed')
  return entry
}

function textField(
  bytes: Uint8Array,
  from: number,
  to: number,
  likely: Uint8Array = EMPTY,
): Uint8Array {
  const end = endOfText(bytes, from, to)
  if (end - from === likely.length && sameBytes(bytes, from, likely)) return likely
  return copyOf(bytes, from, end)
}

function prefixName(entry: EntryDraft, bytes: Uint8Array, from: number, to: number): void {
  const end = endOfText(bytes, from, to)
  if (end === from) return
  const name = new Uint8Array(end - from + 1 + entry.name.length)
  name.set(bytes.subarray(from, end))
  name[end - from] = 0x2f
  name.set(entry.name, end - from + 1)
  entry.name = name
}

function parseStar(entry: EntryDraft, bytes: Uint8Array, at: number): number {
  prefixName(entry, bytes, at + 345, at + 476)
  const atime = parseNumeric(bytes, at + 476, at + 488)
  const ctime = parseNumeric(bytes, at + 488, at + 500)
  entry.atime = { sec: atime, nsec: 0 }
  entry.ctime = { sec: ctime, nsec: 0 }
  return atime + ctime
}

/**
 * GNU keeps times where USTAR has the prefix. Go before 1.8 wrote a prefix all the same, so where
 * the times are no numbers and all is ASCII, it is taken for one (golang/go#12594, #21005).
 */
function parseGnuTimes(entry: EntryDraft, bytes: Uint8Array, at: number): void {
  const atime = bytes[at + 345] === 0 ? undefined : parseNumeric(bytes, at + 345, at + 357)
  const ctime = bytes[at + 357] === 0 ? undefined : parseNumeric(bytes, at + 357, at + 369)
  if (Number.isNaN(atime) || Number.isNaN(ctime)) {
    const end = endOfText(bytes, at + 345, at + 500)
    for (let i = at + 345; i < end; i++) if ((bytes[i] as number) >= 0x80) return
    prefixName(entry, bytes, at + 345, at + 500)
    return
  }
  if (atime !== undefined) entry.atime = { sec: atime, nsec: 0 }
  if (ctime !== undefined) entry.ctime = { sec: ctime, nsec: 0 }
}

/** Whether entries of this typeflag have no payload, whatever their header claims. */
export function isHeaderOnly(typeflag: number): boolean {
  return typeflag >= TYPEFLAG.link && typeflag <= TYPEFLAG.fifo
}

const TYPE_OF_FLAG: Readonly<Record<number, TarEntryType>> = {
  [TYPEFLAG.file]: 'file',
  [TYPEFLAG.link]: 'link',
  [TYPEFLAG.symlink]: 'symlink',
  [TYPEFLAG.char]: 'char',
  [TYPEFLAG.block]: 'block',
  [TYPEFLAG.directory]: 'directory',
  [TYPEFLAG.fifo]: 'fifo',
  [TYPEFLAG.gnuSparse]: 'file',
}

/** Settles an entry's type, once its final name is known. */
export function settleType(entry: EntryDraft): void {
  if (entry.typeflag === TYPEFLAG.oldFile) {
    // Archives older than the directory typeflag mark a directory by its name.
    const isDirectory = entry.name.at(-1) === 0x2f
    entry.typeflag = isDirectory ? TYPEFLAG.directory : TYPEFLAG.file
  }
  entry.type = TYPE_OF_FLAG[entry.typeflag] ?? 'other'
}
