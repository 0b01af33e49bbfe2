import { BLOCK_SIZE, unsignedSum } from './header.ts'

/** A header's fields with texts as binary strings. */
export interface Fields {
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

/** The block of a header; what does not fit is cut, or 0. */
export function mainBlock(fields: Fields): Uint8Array {
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
export function seal(block: Uint8Array): void {
  putText(block, 257, 8, 'ustar\x0000')
  putOctal(block, 148, 7, unsignedSum(block, 0))
  block[155] = 0x20
}

export function putText(block: Uint8Array, at: number, room: number, text: string): void {
  const length = Math.min(text.length, room)
  for (let i = 0; i < length; i++) block[at + i] = text.charCodeAt(i)
  // Some readers take a name cut after a slash for a directory's, whatever the PAX record says.
  if (text.length > room && text[room - 1] === '/') {
    block[at + text.slice(0, room - 1).replace(/\/+$/, '').length] = 0
  }
}

/** Digits and a NUL; 0 for a number that has a PAX record because it does not fit. */
export function putOctal(block: Uint8Array, at: number, room: number, value: number): void {
  const digits = (fitsOctal(value, room) ? value : 0).toString(8).padStart(room - 1, '0')
  putText(block, at, room, digits)
}

export function fitsOctal(value: number, room: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 8 ** (room - 1)
}

export function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text)
}

export function onlyAscii(text: string): string {
  return text.replace(/[^\0-\x7f]/g, '')
}

/** USTAR's way with a name of 101 to 256 bytes: cut in two at a slash. */
export function splitName(name: string): [prefix: string, name: string] | undefined {
  if (name.length <= 100 || !isAscii(name)) return undefined
  const within = name.length > 156 ? 156 : name.length - (name.endsWith('/') ? 1 : 0)
  const slash = name.slice(0, within).lastIndexOf('/')
  const rest = name.length - slash - 1
  if (slash <= 0 || slash > 155 || rest > 100 || rest === 0) return undefined
  return [name.slice(0, slash), name.slice(slash + 1)]
}
