/** The fields of a header block, read as Go's archive/tar reads them. */
import { LayerError } from '@varve/core'
import { type Raw, raw } from './bytes.ts'

export function invalid(why: string): LayerError {
  return new LayerError('ERR_INVALID_TAR', `Cannot read tar: ${why}`)
}

/** A field up to its first NUL. */
export function textField(block: Uint8Array, at: number, width: number): Raw {
  const field = raw(block.subarray(at, at + width))
  const end = field.indexOf('\0')
  return end < 0 ? field : field.slice(0, end)
}

/** Octal, or base-256 if the first bit says so. */
export function numberField(block: Uint8Array, at: number, width: number): bigint {
  const first = block[at] ?? 0
  if (first >= 0x80) {
    let value = BigInt(first & 0x7f)
    for (let i = 1; i < width; i++) value = (value << 8n) | BigInt(block[at + i] ?? 0)
    if (first & 0x40) value -= 1n << BigInt(width * 8 - 1)
    if (value !== BigInt.asIntN(64, value)) throw invalid('a number has more than 63 bits')
    return value
  }
  const text = raw(block.subarray(at, at + width)).replace(/^[ \0]+|[ \0]+$/g, '')
  const digits = text.split('\0')[0] ?? ''
  if (digits === '') return 0n
  if (!/^[0-7]+$/.test(digits)) throw invalid(`${JSON.stringify(digits)} is no octal number`)
  return BigInt(`0o${digits}`)
}

/** The checksum field against both sums that have ever been used. */
export function checkSum(block: Uint8Array): void {
  let unsigned = 0
  let signed = 0
  for (let i = 0; i < 512; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0)
    unsigned += byte
    signed += (byte << 24) >> 24
  }
  const claimed = numberField(block, 148, 8)
  if (claimed !== BigInt(unsigned) && claimed !== BigInt(signed)) {
    throw invalid('the checksum of a header is wrong')
  }
}

/** Records of a PAX header (POSIX pax, "Extended Header"). */
export function paxRecords(body: Uint8Array): Map<string, Raw> {
  const records = new Map<string, Raw>()
  let rest = raw(body)
  while (rest.length > 0) {
    const digits = /^([0-9]{1,7}) /.exec(rest)?.[1]
    const length = Number(digits)
    const record = rest.slice(0, length)
    const eq = record.indexOf('=')
    if (!digits || record.length !== length || !record.endsWith('\n') || eq <= digits.length + 1) {
      throw invalid('a PAX record is malformed')
    }
    const key = record.slice(digits.length + 1, eq)
    const value = record.slice(eq + 1, -1)
    const isName = ['path', 'linkpath', 'uname', 'gname'].includes(key)
    if (key.includes('\0') || (isName && value.includes('\0'))) {
      throw invalid('a PAX record has a NUL in it')
    }
    records.set(key, value)
    rest = rest.slice(length)
  }
  return records
}

/** `seconds[.fraction]` in nanoseconds. */
export function paxTime(value: Raw): bigint {
  const match = /^(-?)([0-9]{1,18})(?:\.([0-9]*))?$/.exec(value)
  if (!match) throw invalid(`${JSON.stringify(value)} is no PAX time`)
  const [, sign, seconds = '0', fraction = ''] = match
  const time = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'))
  return sign === '-' ? -time : time
}

/** A decimal number of a PAX record. */
export function paxNumber(value: Raw): bigint {
  if (!/^-?[0-9]{1,19}$/.test(value)) throw invalid(`${JSON.stringify(value)} is no PAX number`)
  return BigInt(value)
}
