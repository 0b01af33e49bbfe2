import { LayerError } from '@varve/core'
import type { PieceReader } from './blocks.ts'
import type { Raw } from './bytes.ts'
import { raw } from './bytes.ts'
import { invalid, numberField, paxNumber } from './fields.ts'

/** Pieces of data in a sparse file: [offset, length]. */
export interface SparseMap {
  readonly realSize: number
  readonly pieces: readonly (readonly [number, number])[]
}

const MAX_PIECES = 65_536

/** Reads the map of an old GNU sparse entry, extension blocks included (GNU tar, "Old GNU Format"). */
export async function gnuSparseMap(block: Uint8Array, input: PieceReader): Promise<SparseMap> {
  const pieces: [number, number][] = []
  const take = (from: Uint8Array, at: number, count: number) => {
    for (let i = 0; i < count && from[at + i * 24] !== 0; i++) {
      pieces.push([
        toSize(numberField(from, at + i * 24, 12)),
        toSize(numberField(from, at + i * 24 + 12, 12)),
      ])
    }
    if (pieces.length > MAX_PIECES) throw tooMany()
  }
  take(block, 386, 4)
  for (let more = block[482]; more; ) {
    const extension = await input.exactly(512)
    take(extension, 0, 21)
    more = extension[504]
  }
  return { realSize: toSize(numberField(block, 483, 12)), pieces }
}

/** The map of a PAX sparse entry, if it is one (GNU tar, "PAX Format, Versions 0.0 to 1.0"). */
export function paxSparseMap(pax: ReadonlyMap<string, Raw>): SparseMap | 'in-data' | undefined {
  if (pax.get('GNU.sparse.major') === '1') return 'in-data'
  const map = pax.get('GNU.sparse.map')
  const realSize = pax.get('GNU.sparse.size')
  if (map === undefined || realSize === undefined) return undefined
  return pairs(map === '' ? [] : map.split(','), realSize)
}

/** Cuts the map off the front of a version 1.0 entry's data. */
export function mapInData(data: Uint8Array, realSize: Raw): [SparseMap, Uint8Array] {
  const text = raw(data.subarray(0, 1_048_576))
  const count = /^([0-9]{1,6})\n/.exec(text)
  if (!count) throw invalid('a sparse map is malformed')
  const wanted = Number(count[1]) * 2
  if (wanted > MAX_PIECES * 2) throw tooMany()
  const lines = text.split('\n', wanted + 1)
  if (lines.length < wanted + 1) throw invalid('a sparse map is cut short')
  const length = lines.join('\n').length + 1
  return [pairs(lines.slice(1), realSize), data.subarray(Math.ceil(length / 512) * 512)]
}

/** The file that a map and its packed data stand for. */
export function expand(map: SparseMap, packed: Uint8Array, limit: number): Uint8Array {
  if (map.realSize > limit) {
    throw new LayerError('ERR_LIMIT_EXCEEDED', 'Cannot read tar: a sparse file is too large')
  }
  const file = new Uint8Array(map.realSize)
  let from = 0
  let last = 0
  for (const [offset, length] of map.pieces) {
    if (offset < last || offset + length > map.realSize || from + length > packed.length) {
      throw invalid('a sparse map does not fit its file')
    }
    file.set(packed.subarray(from, from + length), offset)
    from += length
    last = offset + length
  }
  if (from !== packed.length) throw invalid('a sparse file has more data than its map')
  return file
}

function pairs(numbers: readonly Raw[], realSize: Raw): SparseMap {
  if (numbers.length % 2 !== 0 || numbers.length > MAX_PIECES * 2) throw invalid('bad sparse map')
  const pieces: [number, number][] = []
  for (let i = 0; i < numbers.length; i += 2) {
    pieces.push([size(numbers[i] ?? ''), size(numbers[i + 1] ?? '')])
  }
  return { realSize: size(realSize), pieces }
}

function size(value: Raw): number {
  return toSize(paxNumber(value))
}

/** A size or offset that can be used. */
export function toSize(value: bigint): number {
  if (value < 0n) throw invalid('a size is negative')
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new LayerError('ERR_LIMIT_EXCEEDED', 'Cannot read tar: a size is beyond 2^53')
  }
  return Number(value)
}

function tooMany(): LayerError {
  return new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read tar: over ${MAX_PIECES} sparse pieces`)
}
