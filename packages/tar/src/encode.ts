import { LayerError } from '@varve/core/errors'
import { EMPTY, fromBinary, toBinary } from './bytes.ts'
import { cleanName } from './clean-name.ts'
import type { TarEntryType, TarTime } from './entry.ts'
import { BLOCK_SIZE, TYPEFLAG, unsignedSum } from './header.ts'
import { XATTR_PREFIX } from './pax.ts'
import { paddingLength } from './scanner.ts'

/** What {@link encodeHeader} writes. A `TarEntry` that is not sparse is one. */
export interface TarHeader {
  /** All but `global` and `other`. */
  readonly type: TarEntryType
  /** Raw bytes; a directory's should end in `/`. */
  readonly name: Uint8Array
  readonly linkname?: Uint8Array
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly uname?: Uint8Array
  readonly gname?: Uint8Array
  /** Payload in bytes; only a `file` has any. */
  readonly size?: number
  /** Cut to whole seconds, as Docker does. */
  readonly mtime: TarTime
  readonly devmajor?: number
  readonly devminor?: number
  readonly xattrs?: ReadonlyMap<string, Uint8Array>
  /** What the header says the size of a type without a payload is. Default 0. */
  readonly claimedSize?: number
  /**
   * More PAX records: a vendor's own, or `mtime`, `atime` and `ctime` with fractions. They are
   * written as they are and win over those made from the other fields. Keys are binary strings.
   */
  readonly records?: ReadonlyMap<string, Uint8Array>
}

const FLAG_OF_TYPE: Readonly<Partial<Record<TarEntryType, number>>> = {
  file: TYPEFLAG.file,
  link: TYPEFLAG.link,
  symlink: TYPEFLAG.symlink,
  char: TYPEFLAG.char,
  block: TYPEFLAG.block,
  directory: TYPEFLAG.directory,
  fifo: TYPEFLAG.fifo,
}

/**
 * The header blocks of an entry as Docker writes them, with Go's `archive/tar` in PAX format: plain
 * USTAR where that can hold it, else a PAX header before it.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` for what tar cannot hold: other types, a NUL in a name,
 *   modes and device numbers of 2²¹ and more, fractions, a `/` at the end of a file's name
 *
 * @example
 * ```ts
 * import { encodeHeader } from '@varve/tar'
 *
 * const blocks = encodeHeader({
 *   type: 'file',
 *   name: new TextEncoder().encode('bin/ping'),
 *   mode: 0o755,
 *   uid: 0,
 *   gid: 0,
 *   size: 5,
 *   mtime: { sec: 1_700_000_000, nsec: 0 },
 *   xattrs: new Map([['security.capability', Uint8Array.of(1, 0, 0, 2)]]),
 * })
 * console.assert(blocks.length === 1536)
 * ```
 */
export function encodeHeader(header: TarHeader): Uint8Array {
  const fields = checkedFields(header)
  const records = paxRecords(header, fields)
  const split = splitName(fields.name)
  const fitsUstar = records.size === 0 || (records.size === 1 && records.has('path') && split)
  if (!fitsUstar) return concat(paxHeader(fields.name, records), mainBlock(fields))
  if (split) [fields.prefix, fields.name] = split
  return mainBlock(fields)
}

/** A header's fields with texts as binary strings. */
interface Fields {
  typeflag: number
  prefix: string
  name: string
  linkname: string
  uname: string
  gname: string
  mode: number
  uid: number
  gid: number
  size: number
  mtime: number
  devmajor: number
  devminor: number
}

function checkedFields(header: TarHeader): Fields {
  const typeflag = FLAG_OF_TYPE[header.type]
  if (typeflag === undefined) throw cannot(header, `type “${header.type}” is not for layers`)
  const fields: Fields = {
    typeflag,
    prefix: '',
    name: toBinary(header.name),
    linkname: toBinary(header.linkname ?? EMPTY),
    uname: toBinary(header.uname ?? EMPTY),
    gname: toBinary(header.gname ?? EMPTY),
    mode: header.mode,
    uid: header.uid,
    gid: header.gid,
    size: (header.type === 'file' ? header.size : header.claimedSize) ?? 0,
    mtime: header.mtime.sec,
    devmajor: header.devmajor ?? 0,
    devminor: header.devminor ?? 0,
  }
  const { mode, size, devmajor, devminor } = fields
  if ([fields.name, fields.linkname, fields.uname, fields.gname].some((t) => t.includes('\0'))) {
    throw cannot(header, 'a name holds a NUL')
  }
  const endsInSlash = fields.name.endsWith('/')
  if (endsInSlash && !['directory', 'link', 'symlink'].includes(header.type)) {
    throw cannot(header, 'the name of a file ends in “/”')
  }
  if (![mode, devmajor, devminor].every((n) => fitsOctal(n, 8))) {
    throw cannot(header, 'its mode or device number is out of range')
  }
  if (size < 0 || ![size, fields.uid, fields.gid, fields.mtime].every(Number.isSafeInteger)) {
    throw cannot(header, 'its size, owner or time is out of range')
  }
  return fields
}

function cannot(header: TarHeader, why: string): LayerError {
  const name = new TextDecoder().decode(header.name)
  return new LayerError('ERR_INVALID_ARGUMENT', `Cannot write tar header of “${name}”: ${why}`, {
    data: { name },
  })
}

/** All that USTAR has no room for; the keys are those of POSIX.1-2001 and of star. */
function paxRecords(header: TarHeader, fields: Fields): Map<string, string> {
  const records = new Map<string, string>()
  const text = (key: string, value: string, room: number): void => {
    if (value.length > room || !isAscii(value)) records.set(key, value)
  }
  const number = (key: string, value: number, room: number): void => {
    if (!fitsOctal(value, room)) records.set(key, String(value))
  }
  text('path', fields.name, 100)
  text('linkpath', fields.linkname, 100)
  text('uname', fields.uname, 32)
  text('gname', fields.gname, 32)
  number('uid', fields.uid, 8)
  number('gid', fields.gid, 8)
  number('size', fields.size, 12)
  number('mtime', fields.mtime, 12)
  for (const [name, value] of header.xattrs ?? []) {
    const key = XATTR_PREFIX + toBinary(new TextEncoder().encode(name))
    if (/[=\0]/.test(key)) throw cannot(header, `an xattr cannot be called “${name}”`)
    records.set(key, toBinary(value))
  }
  for (const [key, value] of header.records ?? []) {
    if (!/^[^=\0\u0100-\uffff]+$/.test(key))
      throw cannot(header, `no PAX record is called “${key}”`)
    records.set(key, toBinary(value))
  }
  return records
}

/** An `x` header with its records, sorted by key. */
function paxHeader(name: string, records: ReadonlyMap<string, string>): Uint8Array {
  let body = ''
  for (const key of [...records.keys()].sort()) body += record(key, records.get(key) ?? '')
  const slash = name.lastIndexOf('/') + 1
  const path = `${name.slice(0, slash)}/PaxHeaders.0/${name.slice(slash)}`
  const relative = name.startsWith('/') ? path : path.replace(/^\/+/, '')
  const shown = onlyAscii(toBinary(cleanName(fromBinary(relative)))).slice(0, 100)
  const block = new Uint8Array(BLOCK_SIZE)
  putText(block, 0, 100, shown.replace(/\/+$/, ''))
  for (const at of [100, 108, 116]) putOctal(block, at, 8, 0)
  putOctal(block, 124, 12, body.length)
  putOctal(block, 136, 12, 0)
  block[156] = TYPEFLAG.pax
  seal(block)
  return concat(block, fromBinary(body), paddingFor(body.length))
}

/** `length key=value\n`, where the length counts its own digits. */
function record(key: string, value: string): string {
  const rest = key.length + value.length + 3
  let length = rest + String(rest).length
  length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

function mainBlock(fields: Fields): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE)
  putText(block, 0, 100, onlyAscii(fields.name))
  putOctal(block, 100, 8, fields.mode)
  putOctal(block, 108, 8, fields.uid)
  putOctal(block, 116, 8, fields.gid)
  putOctal(block, 124, 12, fields.size)
  putOctal(block, 136, 12, fields.mtime)
  block[156] = fields.typeflag
  putText(block, 157, 100, onlyAscii(fields.linkname))
  putText(block, 265, 32, onlyAscii(fields.uname))
  putText(block, 297, 32, onlyAscii(fields.gname))
  putOctal(block, 329, 8, fields.devmajor)
  putOctal(block, 337, 8, fields.devminor)
  putText(block, 345, 155, fields.prefix)
  seal(block)
  return block
}

/** Magic, version and checksum of a USTAR block. */
function seal(block: Uint8Array): void {
  putText(block, 257, 8, 'ustar\x0000')
  putOctal(block, 148, 7, unsignedSum(block, 0))
  block[155] = 0x20
}

function putText(block: Uint8Array, at: number, room: number, text: string): void {
  const length = Math.min(text.length, room)
  for (let i = 0; i < length; i++) block[at + i] = text.charCodeAt(i)
  // Some readers take a name cut after a slash for a directory's, whatever the PAX record says.
  if (text.length > room && text[room - 1] === '/') {
    block[at + text.slice(0, room - 1).replace(/\/+$/, '').length] = 0
  }
}

/** Digits and a NUL; 0 for a number that has a PAX record because it does not fit. */
function putOctal(block: Uint8Array, at: number, room: number, value: number): void {
  const digits = (fitsOctal(value, room) ? value : 0).toString(8).padStart(room - 1, '0')
  putText(block, at, room, digits)
}

function fitsOctal(value: number, room: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 8 ** (room - 1)
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text)
}

function onlyAscii(text: string): string {
  return text.replace(/[^\0-\x7f]/g, '')
}

/** USTAR's way with a name of 101 to 256 bytes: cut in two at a slash. */
function splitName(name: string): [prefix: string, name: string] | undefined {
  if (name.length <= 100 || !isAscii(name)) return undefined
  const within = name.length > 156 ? 156 : name.length - (name.endsWith('/') ? 1 : 0)
  const slash = name.slice(0, within).lastIndexOf('/')
  const rest = name.length - slash - 1
  if (slash <= 0 || slash > 155 || rest > 100 || rest === 0) return undefined
  return [name.slice(0, slash), name.slice(slash + 1)]
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/**
 * The NULs that must follow a payload of `size` bytes: 0 to 511 of them.
 *
 * @example
 * ```ts
 * import { paddingFor } from '@varve/tar'
 *
 * console.assert(paddingFor(1000).length === 24)
 * ```
 */
export function paddingFor(size: number): Uint8Array {
  return new Uint8Array(paddingLength(size))
}

/**
 * The two zero blocks that end an archive.
 *
 * @example
 * ```ts
 * import { endOfArchive } from '@varve/tar'
 *
 * console.assert(endOfArchive().length === 1024)
 * ```
 */
export function endOfArchive(): Uint8Array {
  return new Uint8Array(2 * BLOCK_SIZE)
}
