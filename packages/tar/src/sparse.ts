import { toBinary } from './bytes.ts'
import type { SparseMap, SparseRegion } from './entry.ts'
import { invalid, tooLong } from './fault.ts'
import { BLOCK_SIZE, type BlockFormat, type EntryDraft, TYPEFLAG } from './header.ts'
import { parseDecimal, parseNumeric } from './numbers.ts'
import { decimal, type PaxRecords } from './pax.ts'

/** Most bytes of sparse map that are read, of whatever form; the limit of Go since 1.25.2. */
const MAP_LIMIT = 1 << 20

/** A sparse map while it is read; `done` once nothing more of it follows. */
export interface SparseReader {
  readonly form: SparseMap['form']
  readonly done: boolean
  /** Takes the next block of the map. @throws Fault */
  block(bytes: Uint8Array, at: number): void
  /** Offsets and lengths in turn, as they were found. */
  readonly numbers: readonly number[]
}

/**
 * What reads the map of an entry, if it is sparse; its `claimedSize` becomes that of the file with
 * its holes.
 *
 * @param records of the extended header before it
 * @param bytes hold the entry's header block at `at`
 * @throws Fault
 */
export function sparseReader(
  entry: EntryDraft,
  records: PaxRecords | undefined,
  format: BlockFormat,
  bytes: Uint8Array,
  at: number,
): SparseReader | undefined {
  if (entry.typeflag === TYPEFLAG.gnuSparse) {
    // star uses the same typeflag for another layout.
    if (format !== 'gnu') throw invalid('a sparse header is not of the GNU format')
    entry.claimedSize = parseNumeric(bytes, at + 483, at + 495)
    if (Number.isNaN(entry.claimedSize)) throw invalid('a sparse size is malformed')
    return gnuSparseReader(bytes, at)
  }
  const form = records && paxSparseForm(records)
  if (!form) return undefined
  entry.claimedSize = mergePaxSparse(entry, records)
  return form === 'pax-0' ? pax0SparseReader(records) : pax1SparseReader()
}

/**
 * Map of the old GNU format: four regions in the header at `at`, and 21 in each block after it as
 * long as the one before says so.
 */
function gnuSparseReader(bytes: Uint8Array, at: number): SparseReader {
  const numbers: number[] = []
  // Counted as Go counts it: the header's table, then whole blocks.
  let total = 97 - BLOCK_SIZE
  let done = false
  const take = (from: Uint8Array, start: number, count: number): void => {
    for (let i = start; i < start + count * 24 && from[i] !== 0; i += 24) {
      const offset = parseNumeric(from, i, i + 12)
      const length = parseNumeric(from, i + 12, i + 24)
      if (Number.isNaN(offset + length)) throw invalid('a sparse map holds a malformed number')
      numbers.push(offset, length)
    }
    total += BLOCK_SIZE
    done = from[start + count * 24] === 0
    if (!done && total + BLOCK_SIZE >= MAP_LIMIT) throw tooLong('a sparse map is longer than 1 MiB')
  }
  take(bytes, at + 386, 4)
  return {
    form: 'gnu',
    numbers,
    get done() {
      return done
    },
    block: (next, start) => take(next, start, 21),
  }
}

const text = (records: PaxRecords, key: string): string =>
  toBinary(records.get(key) ?? new Uint8Array(0))

/** The sparse format that PAX records ask for. */
function paxSparseForm(records: PaxRecords): 'pax-0' | 'pax-1' | undefined {
  const major = text(records, 'GNU.sparse.major')
  const minor = text(records, 'GNU.sparse.minor')
  if (major === '0' && (minor === '0' || minor === '1')) return 'pax-0'
  if (major === '1' && minor === '0') return 'pax-1'
  // Formats 0.0 and 0.1 came before the version records.
  const hasMap = text(records, 'GNU.sparse.map') !== ''
  return major === '' && minor === '' && hasMap ? 'pax-0' : undefined
}

/** Name and size of a PAX sparse file, whose header block holds stand-ins. */
function mergePaxSparse(entry: EntryDraft, records: PaxRecords): number {
  const name = records.get('GNU.sparse.name')
  if (name !== undefined && name.length > 0) entry.name = name
  for (const key of ['GNU.sparse.size', 'GNU.sparse.realsize']) {
    const value = records.get(key)
    if (value !== undefined && value.length > 0) return decimal(key, value)
  }
  return entry.claimedSize
}

/** Map of the PAX formats 0.0 and 0.1, which is in the records. */
function pax0SparseReader(records: PaxRecords): SparseReader {
  const count = parseDecimal(text(records, 'GNU.sparse.numblocks'))
  const map = text(records, 'GNU.sparse.map')
  const numbers = map === '' ? [] : map.split(',').map(parseDecimal)
  if (numbers.length !== 2 * count || numbers.some(Number.isNaN)) {
    throw invalid('a PAX sparse map is malformed')
  }
  return { form: 'pax-0', numbers, done: true, block: () => {} }
}

/** Map of the PAX format 1.0: decimal numbers on lines of their own, before the payload. */
function pax1SparseReader(): SparseReader {
  const numbers: number[] = []
  let rest = ''
  let total = 0
  let wanted: number | undefined
  return {
    form: 'pax-1',
    numbers,
    get done() {
      return numbers.length === wanted
    },
    block(bytes, at) {
      total += BLOCK_SIZE
      if (total > MAP_LIMIT) throw tooLong('a sparse map is longer than 1 MiB')
      const lines = (rest + toBinary(bytes, at, at + BLOCK_SIZE)).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > BLOCK_SIZE) throw invalid('a sparse map holds a malformed number')
      for (const line of lines) {
        if (numbers.length === wanted) return
        const number = parseDecimal(line)
        if (Number.isNaN(number)) throw invalid('a sparse map holds a malformed number')
        if (wanted !== undefined) numbers.push(number)
        else if (number < 0) throw invalid('a sparse map has a negative length')
        else wanted = 2 * number
      }
    },
  }
}

/**
 * Checks a complete map and puts it in its final form.
 *
 * @param size the size of the file with its holes
 * @param stored how many bytes of payload the archive holds for it
 * @throws Fault
 */
export function finishSparse(reader: SparseReader, size: number, stored: number): SparseMap {
  if (size > Number.MAX_SAFE_INTEGER) throw tooLong('a sparse file is larger than 2⁵³ bytes')
  const regions: SparseRegion[] = []
  const { numbers } = reader
  let end = 0
  let sum = 0
  for (let i = 0; i < numbers.length; i += 2) {
    const [offset, length] = [numbers[i] as number, numbers[i + 1] as number]
    if (offset < end || length < 0 || offset + length > size) {
      throw invalid('the regions of a sparse file overlap or lie outside it')
    }
    end = offset + length
    sum += length
    if (length > 0) regions.push({ offset, length })
  }
  if (size < 0) throw invalid('a sparse file has a negative size')
  // Nothing is read of a file of size 0, so Go does not notice there.
  if (sum !== stored && size > 0) {
    throw invalid(`a sparse map has ${sum} bytes of data, its file ${stored}`)
  }
  return { regions, form: reader.form }
}
