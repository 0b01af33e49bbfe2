/**
 * A tar reader of its own, small and all in memory, so that what a driver's tar code wrote or took
 * is judged by other code than its own.
 *
 * @module
 */
import { type ByteSource, checkAborted, LayerError } from '@varve/core'
import { PieceReader } from './blocks.ts'
import { bytesOf, type Raw } from './bytes.ts'
import {
  checkSum,
  invalid,
  numberField,
  paxNumber,
  paxRecords,
  paxTime,
  textField,
} from './fields.ts'
import { expand, gnuSparseMap, mapInData, paxSparseMap, type SparseMap, toSize } from './sparse.ts'

/** What an entry is. */
export type ItemType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'dir' | 'fifo'

/** One entry of a tar, its extension headers worked in. */
export interface TarItem {
  readonly name: Raw
  readonly type: ItemType
  readonly mode: number
  readonly uid: bigint
  readonly gid: bigint
  /** What the header says, also where there is no data. */
  readonly size: number
  /** Nanoseconds since 1970. */
  readonly mtime: bigint
  readonly link: Raw
  readonly major: bigint
  readonly minor: bigint
  readonly xattrs: ReadonlyMap<string, Uint8Array>
  readonly data: Uint8Array
}

const TYPES: Readonly<Record<string, ItemType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  '6': 'fifo',
  S: 'file',
}

/** Bodies of x, g, L and K: 1 MiB, as in tar-split 0.12. */
const MAX_META = 1_048_576

/**
 * The entries of a tar.
 *
 * @param limit bytes that one file may have
 * @throws LayerError `ERR_INVALID_TAR`, `ERR_TRUNCATED`, `ERR_LIMIT_EXCEEDED`
 */
export async function* readTar(
  source: ByteSource,
  { limit = 67_108_864, signal }: { readonly limit?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<TarItem> {
  const input = new PieceReader(source)
  try {
    for (;;) {
      checkAborted(signal, 'Cannot read tar')
      const item = await readItem(input, limit)
      if (!item) return
      yield item
    }
  } finally {
    await input.close()
  }
}

/** All entries of a tar at once. */
export async function itemsOf(source: ByteSource): Promise<TarItem[]> {
  const items: TarItem[] = []
  for await (const item of readTar(source)) items.push(item)
  return items
}

async function readItem(input: PieceReader, limit: number): Promise<TarItem | undefined> {
  let pax = new Map<string, Raw>()
  let longName: Raw | undefined
  let longLink: Raw | undefined
  for (;;) {
    const block = await readHeader(input)
    if (!block) return undefined
    const flag = String.fromCharCode(block[156] ?? 0)
    if (!'xgLK'.includes(flag)) return await finish(input, block, pax, longName, longLink, limit)
    const size = toSize(numberField(block, 124, 12))
    if (size > MAX_META) {
      throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read tar: a "${flag}" header of ${size} B`)
    }
    const body = await input.exactly(size)
    await input.skip(padding(size))
    if (flag === 'x') pax = paxRecords(body)
    else if (flag === 'g') {
      // Go gives a global header as an entry of its own: what stood before it applies to that.
      paxRecords(body)
      pax = new Map()
      longName = undefined
      longLink = undefined
    } else if (flag === 'L') longName = textField(body, 0, size)
    else longLink = textField(body, 0, size)
  }
}

async function readHeader(input: PieceReader): Promise<Uint8Array | undefined> {
  const block = await input.upTo(512)
  if (block.length === 0) return undefined
  if (block.length < 512) throw new LayerError('ERR_TRUNCATED', 'Cannot read tar: half a header')
  if (block.every((byte) => byte === 0)) {
    const second = await input.upTo(512)
    if (second.some((byte) => byte !== 0)) throw invalid('there is data behind a zero block')
    return undefined
  }
  checkSum(block)
  return block
}

async function finish(
  input: PieceReader,
  block: Uint8Array,
  pax: ReadonlyMap<string, Raw>,
  longName: Raw | undefined,
  longLink: Raw | undefined,
  limit: number,
): Promise<TarItem> {
  const flag = String.fromCharCode(block[156] ?? 0)
  const own = nameField(block)
  const name = longName ?? (pax.get('GNU.sparse.name') || pax.get('path') || own)
  const listed = TYPES[flag]
  if (!listed) throw invalid(`entries of type ${JSON.stringify(flag)} are not known`)
  const type = listed === 'file' && flag !== 'S' && name.endsWith('/') ? 'dir' : listed
  const number = (key: string, at: number, width: number) => {
    const field = numberField(block, at, width)
    return pax.get(key) ? paxNumber(pax.get(key) ?? '') : field
  }
  const stored = number('size', 124, 12)
  const mtime = pax.get('mtime')
  const fields = {
    name,
    type,
    mode: Number(numberField(block, 100, 8) & 0o7777n),
    uid: number('uid', 108, 8),
    gid: number('gid', 116, 8),
    mtime: mtime ? paxTime(mtime) : numberField(block, 136, 12) * 1_000_000_000n,
    link: longLink ?? (pax.get('linkpath') || textField(block, 157, 100)),
    major: numberField(block, 329, 8),
    minor: numberField(block, 337, 8),
    xattrs: xattrsOf(pax),
  }
  if (type !== 'file') {
    return { ...fields, size: stored < 0n ? 0 : toSize(stored), data: new Uint8Array(0) }
  }
  const map = flag === 'S' ? await gnuSparseMap(block, input) : paxSparseMap(pax)
  const packed = await payload(input, toSize(stored), limit)
  const data = map ? expandWith(map, packed, pax, limit) : packed
  return { ...fields, size: data.length, data }
}

async function payload(input: PieceReader, size: number, limit: number): Promise<Uint8Array> {
  if (size > limit) {
    // Read before it is refused: a tar that lies about its size is truncated, not too large.
    await input.skip(size)
    throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read tar: a file of ${size} bytes`)
  }
  const data = await input.exactly(size)
  await input.skip(padding(size))
  return data
}

function expandWith(
  map: SparseMap | 'in-data',
  packed: Uint8Array,
  pax: ReadonlyMap<string, Raw>,
  limit: number,
): Uint8Array {
  if (map !== 'in-data') return expand(map, packed, limit)
  const [own, rest] = mapInData(packed, pax.get('GNU.sparse.realsize') ?? '')
  return expand(own, rest, limit)
}

function nameField(block: Uint8Array): Raw {
  const name = textField(block, 0, 100)
  const isPosix = textField(block, 257, 6) === 'ustar' && block[263] === 0x30
  const prefix = isPosix ? textField(block, 345, 155) : ''
  return prefix ? `${prefix}/${name}` : name
}

function xattrsOf(pax: ReadonlyMap<string, Raw>): Map<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>()
  for (const [key, value] of pax) {
    if (key.startsWith('SCHILY.xattr.')) xattrs.set(key.slice(13), bytesOf(value))
  }
  return xattrs
}

function padding(size: number): number {
  return (512 - (size % 512)) % 512
}
