/** Tars with headers of any content, also such as no tool would write. */

export interface Made {
  readonly name: string | Uint8Array
  /** The typeflag. Default `0`, a file. */
  readonly type?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Default: the content's. */
  readonly size?: number
  readonly content?: string | Uint8Array
  readonly link?: string
  readonly mtime?: number
  readonly major?: number
  readonly minor?: number
  /** PAX records. */
  readonly pax?: Readonly<Record<string, string | Uint8Array>>
}

export function makeTar(...entries: readonly Made[]): Uint8Array {
  const parts: Uint8Array[] = []
  for (const entry of entries) parts.push(...entryBlocks(entry))
  parts.push(new Uint8Array(1024))
  return Buffer.concat(parts)
}

export function entryBlocks(entry: Made): Uint8Array[] {
  const name = bytes(entry.name)
  const content = bytes(entry.content ?? '')
  const pax: Record<string, string | Uint8Array> = { ...entry.pax }
  if (name.length > 100) pax.path ??= name
  if ((entry.link ?? '').length > 100) pax.linkpath ??= entry.link ?? ''
  const parts: Uint8Array[] = []
  if (Object.keys(pax).length > 0) {
    const body = Buffer.concat(Object.entries(pax).map(([key, value]) => record(key, value)))
    parts.push(header({ name: 'pax', type: 'x', size: body.length }), body, padding(body.length))
  }
  parts.push(
    header({ ...entry, size: entry.size ?? content.length }),
    content,
    padding(content.length),
  )
  return parts
}

function header(entry: Made): Uint8Array {
  const block = Buffer.alloc(512)
  block.set(bytes(entry.name).subarray(0, 100), 0)
  number(block, 100, 8, entry.mode ?? 0o644)
  number(block, 108, 8, entry.uid ?? 0)
  number(block, 116, 8, entry.gid ?? 0)
  number(block, 124, 12, entry.size ?? 0)
  number(block, 136, 12, entry.mtime ?? 1_600_000_000)
  block.write(entry.type ?? '0', 156, 'latin1')
  block.set(bytes(entry.link ?? '').subarray(0, 100), 157)
  block.write('ustar\x0000', 257, 'latin1')
  number(block, 329, 8, entry.major ?? 0)
  number(block, 337, 8, entry.minor ?? 0)
  block.fill(0x20, 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** Octal, or base-256 if that has no room for it. */
function number(block: Buffer, at: number, room: number, value: number): void {
  if (value >= 0 && value < 8 ** (room - 1)) {
    block.write(value.toString(8).padStart(room - 1, '0'), at, 'latin1')
    return
  }
  let rest = BigInt.asUintN(room * 8, BigInt(value))
  for (let i = room - 1; i >= 0; i--) {
    block[at + i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  block[at] = (block[at] ?? 0) | 0x80
}

function record(key: string, value: string | Uint8Array): Uint8Array {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), bytes(value), Buffer.from('\n')])
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length++
  return Buffer.concat([Buffer.from(String(length)), rest])
}

function bytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value
}

function padding(size: number): Uint8Array {
  return new Uint8Array((512 - (size % 512)) % 512)
}
