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
  // What most tars have: `./` before a name, `/` after a directory's, or neither.
  const from = name[0] === DOT && name[1] === SLASH ? 2 : 0
  const to = name.length - (name[name.length - 1] === SLASH ? 1 : 0)
  if (to > from && !(from > 0 && name[from] === SLASH) && isClean(name, from, to)) {
    return to - from === name.length ? name : name.subarray(from, to)
  }
  return fromBinary(cleanText(toBinary(name)))
}

/** Whether `name[from..to)` has no empty component, first one apart, and none of only dots. */
function isClean(name: Uint8Array, from: number, to: number): boolean {
  let start = from
  for (let at = from; at <= to; at++) {
    if (at < to && name[at] !== SLASH) continue
    const length = at - start
    if (length === 0 && at > from) return false
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
