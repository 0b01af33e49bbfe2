import type { Part } from './paths.ts'

// OCI image spec, “Whiteouts”, and AUFS, where they come from.
const WHITEOUT_PREFIX = '.wh.'
const OPAQUE_NAME = '.wh..wh..opq'
const AUFS_PREFIX = '.wh..wh.'
const AUFS_LINKS = '.wh..wh.plnk'

function startsWith({ bytes, from, to }: Part, text: string): boolean {
  if (to - from < text.length) return false
  for (let i = 0; i < text.length; i++) if (bytes[from + i] !== text.charCodeAt(i)) return false
  return true
}

function equals(part: Part, text: string): boolean {
  return part.to - part.from === text.length && startsWith(part, text)
}

/** What a path hides: a name, all that is in its directory, or nothing. */
export function whiteoutOf(path: readonly Part[]): Uint8Array | 'all' | undefined {
  const last = path.at(-1)
  if (!last || !startsWith(last, WHITEOUT_PREFIX)) return undefined
  if (equals(last, OPAQUE_NAME)) return 'all'
  return last.bytes.subarray(last.from + WHITEOUT_PREFIX.length, last.to)
}

/** AUFS's own files at the root, which are no part of a layer. */
export function isAufsOwn(path: readonly Part[]): boolean {
  const [first] = path
  if (!first || !startsWith(first, AUFS_PREFIX)) return false
  return !(path.length === 1 && equals(first, OPAQUE_NAME))
}

/** Where AUFS kept files with several names; layers of its time link to there. */
export function isAufsFile(path: readonly Part[]): boolean {
  return path.length === 2 && equals(path[0] as Part, AUFS_LINKS)
}

/** Whether it would be the directory itself, or its parent, that is hidden. */
export function hidesNoName(hides: Uint8Array | 'all'): boolean {
  return hides !== 'all' && hides.length <= 2 && hides.every((byte) => byte === 0x2e)
}
