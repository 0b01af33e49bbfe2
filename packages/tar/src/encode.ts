import { LayerError } from '@varve/core/errors'
import { concat, EMPTY, toBinary } from './bytes.ts'
import type { TarEntryType, TarTime } from './entry.ts'
import { TYPEFLAG } from './header.ts'
import { XATTR_PREFIX } from './pax.ts'
import { paxHeader } from './pax-header.ts'
import { type Fields, fitsOctal, isAscii, mainBlock, splitName } from './ustar-block.ts'

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

function cannot(header: TarHeader, why: string): LayerError {
  const name = new TextDecoder().decode(header.name)
  return new LayerError('ERR_INVALID_ARGUMENT', `Cannot write tar header of “${name}”: ${why}`, {
    data: { name },
  })
}
