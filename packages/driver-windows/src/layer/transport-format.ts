/**
 * The folder in which `ExportLayer` gives a layer and `ImportLayer` takes it: hcsshim's legacy format.
 *
 * ```text
 * Files\a.txt               32 bits of attributes, little-endian, then the backup stream of a.txt
 * Files\dir\                a directory
 * Files\dir.$wcidirs$       the same for the directory
 * Hives\System_Delta        a hive, as it is
 * tombstones.txt            what the layer deletes
 * ```
 *
 * @module
 */

/** Behind a directory's name: the file that holds the directory's own backup stream. */
export const DIRECTORY_SUFFIX = '.$wcidirs$'
/** The list of deletions. */
export const TOMBSTONES = 'tombstones.txt'
const FIRST_LINE = '\ufeffVersion 1.0'

/** @param names from the layer's folder, as `Files\gone` */
export function encodeTombstones(names: readonly string[]): Uint8Array {
  const lines = names.map((name) => `${name.slice('Files'.length)}\n`)
  return new TextEncoder().encode(`${FIRST_LINE}\n${lines.join('')}`)
}

/** The names again; none if it is of another version. */
export function parseTombstones(bytes: Uint8Array): string[] {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  const [first, ...lines] = text.split(/\r?\n/)
  if (first !== FIRST_LINE) return []
  return lines.filter((line) => line !== '').map((line) => `Files\\${line.replace(/^\\/, '')}`)
}
