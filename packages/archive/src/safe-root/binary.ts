/**
 * Names as *binary strings*: one character for each byte. File names on Linux are bytes, often but
 * not always UTF-8; as binary strings they can be compared, cut, joined and be keys of maps, and
 * nothing is lost.
 */

/** Bytes as a binary string. */
export function toBinary(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** A binary string as bytes. */
export function fromBinary(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

/** A binary string as people read it: UTF-8, quoted, control characters escaped. */
export function shown(text: string): string {
  return JSON.stringify(readable(text)).replace(/[\u007f-\u009f]/g, '\ufffd')
}

/** A binary string decoded as UTF-8; what is not becomes U+FFFD. */
export function readable(text: string): string {
  return Buffer.from(text, 'latin1').toString()
}

/** `name` in the directory `parent`; the root is the empty string. */
export function joined(parent: string, name: string): string {
  return parent === '' ? name : `${parent}/${name}`
}

/** All but the last component; of a name in the root, the empty string. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

/** The last component. */
export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
