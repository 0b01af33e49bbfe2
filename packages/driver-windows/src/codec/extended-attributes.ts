import { LayerError } from '@varve/core'

/** An extended attribute of a file (EA), which NTFS keeps beside its streams. */
export interface ExtendedAttribute {
  /** A binary string: each character is a byte of the name. */
  readonly name: string
  readonly value: Uint8Array
  /** 0x80 (`FILE_NEED_EA`): who does not understand it must not use the file. */
  readonly flags: number
}

/** Fixed part of `FILE_FULL_EA_INFORMATION` (Windows driver kit, ntifs.h). */
const FIXED_BYTES = 8

/**
 * Reads `FILE_FULL_EA_INFORMATION` records.
 *
 * @throws LayerError `ERR_CORRUPT_LAYER`
 */
export function parseExtendedAttributes(bytes: Uint8Array): ExtendedAttribute[] {
  const all: ExtendedAttribute[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at < bytes.length; ) {
    if (at + FIXED_BYTES > bytes.length) throw malformed()
    const next = view.getUint32(at, true)
    const nameEnd = at + FIXED_BYTES + view.getUint8(at + 5)
    const valueEnd = nameEnd + 1 + view.getUint16(at + 6, true)
    if (valueEnd > bytes.length || (next !== 0 && at + next < valueEnd)) throw malformed()
    if (next !== 0 && at + next > bytes.length) throw malformed()
    all.push({
      name: String.fromCharCode(...bytes.subarray(at + FIXED_BYTES, nameEnd)),
      value: bytes.slice(nameEnd + 1, valueEnd),
      flags: view.getUint8(at + 4),
    })
    if (next === 0) break
    at += next
  }
  return all
}

/**
 * `FILE_FULL_EA_INFORMATION` records, each padded to four bytes, the last too.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` for names above 255 bytes and values above 65,535
 */
export function encodeExtendedAttributes(all: readonly ExtendedAttribute[]): Uint8Array {
  const sizes = all.map(({ name, value }) => {
    if (name.length > 0xff || value.length > 0xffff) {
      throw new LayerError(
        'ERR_INVALID_ARGUMENT',
        `Cannot write extended attribute ${JSON.stringify(name.slice(0, 40))}: it is too long`,
        { data: { name: name.length, value: value.length } },
      )
    }
    return Math.ceil((FIXED_BYTES + name.length + 1 + value.length) / 4) * 4
  })
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0))
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [i, { name, value, flags }] of all.entries()) {
    const size = sizes[i] as number
    view.setUint32(at, i === all.length - 1 ? 0 : size, true)
    view.setUint8(at + 4, flags)
    view.setUint8(at + 5, name.length)
    view.setUint16(at + 6, value.length, true)
    for (let c = 0; c < name.length; c++) bytes[at + FIXED_BYTES + c] = name.charCodeAt(c)
    bytes.set(value, at + FIXED_BYTES + name.length + 1)
    at += size
  }
  return bytes
}

function malformed(): LayerError {
  return new LayerError('ERR_CORRUPT_LAYER', 'Cannot read extended attributes: malformed')
}
