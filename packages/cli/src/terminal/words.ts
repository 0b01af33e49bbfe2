/**
 * How sizes, times, ids and messages are put into words.
 *
 * @module
 */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** Bytes as Docker writes them: decimal units, three digits (`7.05 MB`). */
export function sizeText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}

/** Milliseconds as `12 ms`, `3.4 s`, `2 min 5 s`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

const AGES = [
  ['year', 365 * 24 * 3600],
  ['month', 30 * 24 * 3600],
  ['week', 7 * 24 * 3600],
  ['day', 24 * 3600],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

/** How long ago a time was: `3 weeks ago`. */
export function ageText(then: Date | undefined, now: Date): string {
  if (then === undefined || Number.isNaN(then.getTime())) return 'unknown'
  const seconds = Math.floor((now.getTime() - then.getTime()) / 1000)
  if (seconds < 1) return seconds < -60 ? 'in the future' : 'just now'
  for (const [name, length] of AGES) {
    const count = Math.floor(seconds / length)
    if (count >= 1) return `${count} ${name}${count === 1 ? '' : 's'} ago`
  }
  return 'just now'
}

/** The first 12 hex digits of a digest, which `varve` accepts in place of it. */
export function shortID(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12)
}

/** `3 layers`, `1 layer`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** At most `width` characters, with `…` for what was cut off. */
export function cut(text: string, width: number): string {
  const letters = Array.from(text)
  return letters.length <= width ? text : `${letters.slice(0, width - 1).join('')}…`
}

/**
 * Text from an image or a file name made safe for a terminal: control characters, which could
 * rewrite what is on the screen, become `\xNN`.
 */
export function printable(text: string): string {
  let out = ''
  for (const letter of text) {
    const code = letter.codePointAt(0) ?? 0
    const control = code < 0x20 || (code >= 0x7f && code < 0xa0)
    // Bidirectional overrides show a name in another order than it has.
    const override = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)
    if (control) out += `\\x${code.toString(16).padStart(2, '0')}`
    else out += override ? `\\u${code.toString(16)}` : letter
  }
  return out
}
