import { fromBinary, toBinary } from './bytes.ts'

const SLASH = 0x2f
const DOT = 0x2e

/**
 * The shortest name for the same path, by text alone, as Go's `path.Clean`: no `//`, `/./`, `/../`,
 * nor a `/` at the end; `.` for the empty name.
 *
 * @returns `name` itself, a view of it, or new bytes
 *
 * @example
 * ```ts
 * import { cleanName } from '@varve/tar'
 *
 * const name = cleanName(new TextEncoder().encode('./etc//conf.d/../'))
 * console.assert(new TextDecoder().decode(name) === 'etc')
 * ```
 */
export function cleanName(name: Uint8Array): Uint8Array {
  if (name.length > 1 && isClean(name, name.length)) return name
  const end = name.length - 1
  if (end > 0 && name[end] === SLASH && isClean(name, end)) return name.subarray(0, end)
  return fromBinary(cleanText(toBinary(name)))
}

/** Whether `name[0..end)` has no empty component nor one that begins with a dot before a slash. */
function isClean(name: Uint8Array, end: number): boolean {
  let start = 0
  for (let at = 0; at <= end; at++) {
    if (at < end && name[at] !== SLASH) continue
    const length = at - start
    if (length === 0 && at > 0) return false
    const dots = name[start] === DOT && (length === 1 || (length === 2 && name[start + 1] === DOT))
    if (dots) return false
    start = at + 1
  }
  return true
}

function cleanText(name: string): string {
  const rooted = name.startsWith('/')
  const kept: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') kept.push(part)
    else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop()
    else if (!rooted) kept.push(part)
  }
  return (rooted ? '/' : '') + kept.join('/') || '.'
}
