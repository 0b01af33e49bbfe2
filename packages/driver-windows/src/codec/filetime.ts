import type { TarTime } from '@varve/tar'

/** 1970 as a FILETIME: intervals of 100 ns since 1601 (Windows SDK, minwinbase.h). */
const EPOCH = 116444736000000000n
const SECOND = 1_000_000_000n

/**
 * A FILETIME as nanoseconds since 1970, in 64 bits as go-winio counts them: beyond about 1677 to
 * 2262 the number wraps, and a FILETIME of 0 becomes the year 2185.
 */
export function unixNanoseconds(filetime: bigint): bigint {
  return BigInt.asIntN(64, (BigInt.asIntN(64, filetime) - EPOCH) * 100n)
}

/** The FILETIME for nanoseconds since 1970, the last two digits cut off. */
export function filetimeOf(nanoseconds: bigint): bigint {
  return BigInt.asIntN(64, nanoseconds) / 100n + EPOCH
}

/** Nanoseconds as seconds, rounded down, and the rest. */
export function tarTimeOf(nanoseconds: bigint): TarTime {
  const nsec = ((nanoseconds % SECOND) + SECOND) % SECOND
  return { sec: Number((nanoseconds - nsec) / SECOND), nsec: Number(nsec) }
}

/** A time of a tar as nanoseconds. */
export function nanosecondsOf({ sec, nsec }: TarTime): bigint {
  return BigInt(sec) * SECOND + BigInt(nsec)
}

/** A time as PAX records have it: seconds and, if there are any, decimals without zeros behind. */
export function paxTimeText(nanoseconds: bigint): string {
  const { sec, nsec } = tarTimeOf(nanoseconds)
  if (nsec === 0) return String(sec)
  const [whole, rest] = sec < 0 ? [-(sec + 1), 1e9 - nsec] : [sec, nsec]
  const decimals = String(rest).padStart(9, '0').replace(/0+$/, '')
  return `${sec < 0 ? '-' : ''}${whole}.${decimals}`
}

/** A time of a PAX record in nanoseconds, digits after the ninth cut off; undefined for no time. */
export function parsePaxTime(text: string): bigint | undefined {
  const parts = /^([+-]?[0-9]+)(?:\.([0-9]*))?$/.exec(text)
  if (!parts?.[1] || parts[1].length > 20) return undefined
  const part = BigInt((parts[2] ?? '').slice(0, 9).padEnd(9, '0'))
  const whole = BigInt(parts[1].replace('+', '')) * SECOND
  return parts[1].startsWith('-') ? whole - part : whole + part
}

/**
 * What go-winio makes of a tar without such a time: Go's zero time, the year 1, wrapped into 1754.
 */
export const GO_ZERO_TIME = 48491090211286549n
