import { fromBinary, toBinary } from './bytes.ts'
import type { TarTime } from './entry.ts'
import { invalid } from './fault.ts'
import type { EntryDraft } from './header.ts'
import { parseDecimal } from './numbers.ts'

/**
 * The records of one extended header (POSIX.1-2001, “pax Extended Header”), keys as binary strings.
 * The repeatable `GNU.sparse.offset` and `.numbytes` of sparse format 0.0 appear as the one
 * `GNU.sparse.map` of format 0.1.
 */
export type PaxRecords = Map<string, Uint8Array>

/** Prefix of the records that hold extended attributes, from star; the one that layers use. */
export const XATTR_PREFIX = 'SCHILY.xattr.'

const WITHOUT_NUL = new Set(['path', 'linkpath', 'uname', 'gname'])
const SPACE = 0x20
const NEWLINE = 0x0a
const EQUALS = 0x3d

/** @throws Fault where Go finds a record malformed */
export function parsePax(body: Uint8Array): PaxRecords {
  const records: PaxRecords = new Map()
  const sparse: string[] = []
  let at = 0
  while (at < body.length) {
    const space = body.indexOf(SPACE, at)
    const length = space < 0 ? Number.NaN : parseDecimal(toBinary(body, at, space))
    const end = at + length
    if (!(length >= 5 && end <= body.length && end > space + 1 && body[end - 1] === NEWLINE)) {
      throw invalid('a PAX record has no correct length')
    }
    const equals = body.indexOf(EQUALS, space + 1)
    if (equals < 0 || equals >= end - 1) throw invalid('a PAX record has no “=”')
    const key = toBinary(body, space + 1, equals)
    const value = body.subarray(equals + 1, end - 1)
    if (key === '' || (WITHOUT_NUL.has(key) ? value.includes(0) : key.includes('\0'))) {
      throw invalid('a PAX record has an empty key or a NUL in the wrong place')
    }
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      const expected = sparse.length % 2 === 0 ? 'GNU.sparse.offset' : 'GNU.sparse.numbytes'
      const text = toBinary(value)
      if (key !== expected || text.includes(',')) throw invalid('a PAX sparse map is malformed')
      sparse.push(text)
    } else {
      records.set(key, value)
    }
    at = end
  }
  if (sparse.length > 0) records.set('GNU.sparse.map', fromBinary(sparse.join(',')))
  return records
}

/**
 * Lets the records override what the header block said. An empty value overrides nothing.
 *
 * @throws Fault for a number or time that Go refuses
 */
export function mergePax(entry: EntryDraft, records: PaxRecords): void {
  const xattrs = new Map<string, Uint8Array>()
  const others = new Map<string, Uint8Array>()
  for (const [key, value] of records) {
    if (key.startsWith(XATTR_PREFIX)) {
      xattrs.set(xattrName(key), value)
      continue
    }
    if (value.length === 0 && !isVendors(key)) continue
    switch (key) {
      case 'path':
        entry.name = value
        break
      case 'linkpath':
        entry.linkname = value
        break
      case 'uname':
        entry.uname = value
        break
      case 'gname':
        entry.gname = value
        break
      case 'uid':
        entry.uid = decimal(key, value)
        break
      case 'gid':
        entry.gid = decimal(key, value)
        break
      case 'size':
        entry.claimedSize = decimal(key, value)
        break
      case 'mtime':
        entry.mtime = parseTime(value)
        break
      case 'atime':
        entry.atime = parseTime(value)
        break
      case 'ctime':
        entry.ctime = parseTime(value)
        break
      default:
        if (isVendors(key)) others.set(key, value)
    }
  }
  if (xattrs.size > 0) entry.xattrs = xattrs
  if (others.size > 0) entry.records = others
}

/** POSIX.1-2001: a vendor's keys have its name in capitals and a dot in front. */
function isVendors(key: string): boolean {
  return /^[A-Z]+\./.test(key) && !key.startsWith('GNU.sparse.')
}

function xattrName(key: string): string {
  const name = key.slice(XATTR_PREFIX.length)
  return /^[\0-\x7f]*$/.test(name) ? name : new TextDecoder().decode(fromBinary(name))
}

/** @throws Fault */
export function decimal(key: string, value: Uint8Array): number {
  const number = parseDecimal(toBinary(value))
  if (Number.isNaN(number)) throw invalid(`the PAX record “${key}” is no number`)
  return number
}

/** Seconds with an optional fraction; digits after the ninth are cut off. */
function parseTime(value: Uint8Array): TarTime {
  const [, whole, fraction] = /^([^.]*)(?:\.(.*))?$/s.exec(toBinary(value)) ?? []
  const sec = parseDecimal(whole ?? '')
  if (Number.isNaN(sec) || /[^0-9]/.test(fraction ?? '')) throw invalid('a PAX time is malformed')
  const nsec = Number((fraction ?? '').slice(0, 9).padEnd(9, '0'))
  if (nsec === 0 || !whole?.startsWith('-')) return { sec, nsec }
  return { sec: sec - 1, nsec: 1e9 - nsec }
}
