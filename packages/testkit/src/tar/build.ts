/**
 * Tars built header by header, right or wrong as asked: a writer that cannot write a bad tar is of
 * no use to a test.
 *
 * @module
 */
import { bytesOf, concat, type Raw, raw } from './bytes.ts'

/** Typeflags by their usual names (POSIX pax, "ustar Interchange Format"). */
const FLAGS = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
} as const

/** One entry to write; only `name` is needed. */
export interface TarEntry {
  /** Text is written as UTF-8. */
  readonly name: string | Uint8Array
  /** A name of a type, or any typeflag character. Default `dir` if the name ends in `/`. */
  readonly type?: keyof typeof FLAGS | (string & {})
  /** Default 0644, 0755 for a directory. */
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Seconds since 1970; a fraction needs `pax`. Default 1,600,000,000. */
  readonly mtime?: number
  readonly data?: string | Uint8Array
  /** What the size field says, if not the length of `data`. */
  readonly size?: number | bigint
  readonly link?: string | Uint8Array
  readonly uname?: string
  readonly gname?: string
  readonly major?: number
  readonly minor?: number
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>
  /** Records of an `x` header put in front. */
  readonly pax?: Readonly<Record<string, string | Uint8Array>>
  /** `gnu` writes long names as `L` and `K`, `ustar` as PAX records, `v7` cuts them. */
  readonly format?: 'ustar' | 'gnu' | 'v7'
  /** Last changes to the header block, before its checksum. */
  readonly edit?: (header: Uint8Array) => void
  /** Last changes after the checksum. */
  readonly spoil?: (header: Uint8Array) => void
}

/**
 * A tar of these entries; an array of bytes among them is written as it is.
 *
 * @param options.zeroBlocks how many end it, default 2
 *
 * @example
 * ```ts
 * import { tarOf } from '@varve/testkit'
 *
 * const tar = tarOf([{ name: 'etc/' }, { name: 'etc/hostname', data: 'varve' }])
 * console.assert(tar.length === 512 + 512 + 512 + 1024)
 * ```
 */
export function tarOf(
  entries: readonly (TarEntry | Uint8Array)[],
  options: { readonly zeroBlocks?: number } = {},
): Uint8Array {
  const parts = entries.flatMap((entry) => (entry instanceof Uint8Array ? [entry] : write(entry)))
  return concat([...parts, new Uint8Array(512 * (options.zeroBlocks ?? 2))])
}

function write(entry: TarEntry): Uint8Array[] {
  const name = raw(entry.name)
  const link = raw(entry.link ?? '')
  const parts: Uint8Array[] = []
  const pax: Record<string, string | Uint8Array> = {}
  for (const [key, value] of Object.entries(entry.xattrs ?? {})) pax[`SCHILY.xattr.${key}`] = value
  if (entry.format === 'gnu') {
    if (link.length > 100) parts.push(...longEntry('K', link))
    if (name.length > 100) parts.push(...longEntry('L', name))
  } else if (entry.format !== 'v7') {
    if (link.length > 100) pax.linkpath = bytesOf(link)
    if (name.length > 100) pax.path = bytesOf(name)
  }
  Object.assign(pax, entry.pax)
  if (Object.keys(pax).length > 0) parts.push(...paxEntry('x', pax))
  const data = entry.data === undefined ? new Uint8Array(0) : bytesOf(raw(entry.data))
  parts.push(header(entry, name, link, entry.size ?? data.length), ...padded(data))
  return parts
}

/** An `x` or `g` header with its records. */
export function paxEntry(
  flag: 'x' | 'g',
  records: Readonly<Record<string, string | Uint8Array>>,
): Uint8Array[] {
  const body = concat(Object.entries(records).map(([key, value]) => paxRecord(key, value)))
  return metaEntry(flag, flag === 'x' ? 'PaxHeaders.0/x' : 'pax_global_header', body)
}

/** A meta header (`x`, `g`, `L`, `K`) with any body, and any size in its header. */
export function metaEntry(
  flag: string,
  name: string,
  body: Uint8Array,
  size: number | bigint = body.length,
): Uint8Array[] {
  return [header({ name, type: flag, mtime: 0 }, name, '', size), ...padded(body)]
}

function longEntry(flag: string, value: Raw): Uint8Array[] {
  return metaEntry(flag, '././@LongLink', bytesOf(`${value}\0`))
}

function paxRecord(key: string, value: string | Uint8Array): Uint8Array {
  const rest = ` ${raw(key)}=${raw(value)}\n`
  let length = rest.length
  while (String(length).length + rest.length !== length)
    length = String(length).length + rest.length
  return bytesOf(`${length}${rest}`)
}

function padded(data: Uint8Array): Uint8Array[] {
  return [data, new Uint8Array((512 - (data.length % 512)) % 512)]
}

function header(entry: TarEntry, name: Raw, link: Raw, size: number | bigint): Uint8Array {
  const block = new Uint8Array(512)
  const type = entry.type ?? (name.endsWith('/') ? 'dir' : 'file')
  const text = (at: number, width: number, value: Raw) =>
    block.set(bytesOf(value.slice(0, width)), at)
  const number = (at: number, width: number, value: number | bigint) =>
    block.set(numeric(BigInt(value), width), at)
  text(0, 100, name)
  number(100, 8, entry.mode ?? (type === 'dir' ? 0o755 : 0o644))
  number(108, 8, entry.uid ?? 0)
  number(116, 8, entry.gid ?? 0)
  number(124, 12, size)
  number(136, 12, Math.floor(entry.mtime ?? 1_600_000_000))
  text(156, 1, FLAGS[type as keyof typeof FLAGS] ?? type)
  text(157, 100, link)
  if (entry.format === 'gnu') text(257, 8, 'ustar  \0')
  else if (entry.format !== 'v7') text(257, 8, 'ustar\x0000')
  if (entry.format !== 'v7') {
    text(265, 32, raw(entry.uname ?? ''))
    text(297, 32, raw(entry.gname ?? ''))
    number(329, 8, entry.major ?? 0)
    number(337, 8, entry.minor ?? 0)
  }
  entry.edit?.(block)
  text(148, 8, '        ')
  const sum = block.reduce((a, b) => a + b, 0)
  text(148, 8, `${sum.toString(8).padStart(6, '0')}\0 `)
  entry.spoil?.(block)
  return block
}

/** Octal with a NUL behind it, or base-256 where that is too small (GNU tar manual, "Extensions"). */
function numeric(value: bigint, width: number): Uint8Array {
  if (value >= 0n && value < 8n ** BigInt(width - 1)) {
    return bytesOf(`${value.toString(8).padStart(width - 1, '0')}\0`)
  }
  const field = new Uint8Array(width)
  let rest = BigInt.asUintN(width * 8, value)
  for (let i = width - 1; i >= 0; i--) {
    field[i] = Number(rest & 255n)
    rest >>= 8n
  }
  field[0] = (field[0] ?? 0) | 0x80
  return field
}
