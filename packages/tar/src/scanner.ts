import { copyOf, EMPTY, endOfText } from './bytes.ts'
import type { TarScanner, TarVisitor } from './entry.ts'
import { Fault, faultAt, invalid, tooLong } from './fault.ts'
import {
  BLOCK_SIZE,
  type BlockFormat,
  blockFormat,
  EntryDraft,
  isHeaderOnly,
  isZeroBlock,
  parseHeader,
  settleType,
  TYPEFLAG,
} from './header.ts'
import { parseNumeric } from './numbers.ts'
import { mergePax, type PaxRecords, parsePax } from './pax.ts'
import {
  finishSparse,
  gnuSparseReader,
  mergePaxSparse,
  pax0SparseReader,
  pax1SparseReader,
  paxSparseForm,
  type SparseReader,
} from './sparse.ts'

/** Longest body of an `x`, `g`, `L` or `K` header; the limit of Go since 1.19.2. */
const EXTENSION_LIMIT = 1 << 20

/** What the bytes at the scanner's position are. */
type State =
  | 'header'
  | 'second-zero-block'
  | 'extension'
  | 'gnu-map'
  | 'pax-map'
  | 'payload'
  | 'unreferenced'

/** The body of an `x`, `g`, `L` or `K` header, while it is read. */
interface Extension {
  readonly typeflag: number
  readonly name: Uint8Array
  readonly body: Uint8Array
}

/**
 * A scanner that reads tars as Go's `archive/tar` does: the formats V7, USTAR, STAR, GNU and PAX
 * with their sparse files, and the same refusals. It is synchronous, keeps at most 2 MiB, and never
 * copies a payload.
 *
 * @param visitor is told what the archive holds
 *
 * @example
 * ```ts
 * import { createTarScanner, encodeHeader, endOfArchive } from '@varve/tar'
 *
 * const text = new TextEncoder()
 * const names: string[] = []
 * const scanner = createTarScanner({
 *   entry: (entry) => names.push(new TextDecoder().decode(entry.name)),
 *   payload: () => {},
 *   entryEnd: () => {},
 * })
 * const meta = { mode: 0o755, uid: 0, gid: 0, mtime: { sec: 0, nsec: 0 } }
 * scanner.push(encodeHeader({ ...meta, type: 'directory', name: text.encode('etc/') }))
 * scanner.push(endOfArchive())
 * scanner.end()
 * console.assert(names[0] === 'etc/')
 * ```
 */
export function createTarScanner(visitor: TarVisitor): TarScanner {
  return new Scanner(visitor)
}

class Scanner implements TarScanner {
  ended = false
  readonly #visitor: TarVisitor
  #state: State = 'header'

  #chunk: Uint8Array = EMPTY
  /** Position in the chunk; what lies before `#handedOn` has been given to the visitor. */
  #at = 0
  #handedOn = 0
  /** Where the chunk begins in the stream. */
  #chunkOffset = 0

  /** A block that began in an earlier chunk, and how much of it is there. */
  readonly #block = new Uint8Array(BLOCK_SIZE)
  #blockLength = 0

  /** Padding to pass over before `#state` goes on. */
  #skip = 0
  /** Bytes that the payload or extension still has. */
  #left = 0
  /** Padding of the entry that is being read. */
  #padding = 0
  /** Bytes of it that its sparse map assigns to no part of the file. */
  #unreferenced = 0

  /** What the extension headers before an entry said. */
  #firstBlock: number | undefined
  #records: PaxRecords | undefined
  #longName: Uint8Array | undefined
  #longLink: Uint8Array | undefined
  #extension: Extension | undefined

  #entry: EntryDraft | undefined
  #sparse: SparseReader | undefined

  constructor(visitor: TarVisitor) {
    this.#visitor = visitor
  }

  get offset(): number {
    return this.#chunkOffset + this.#handedOn
  }

  push(chunk: Uint8Array): void {
    this.#chunkOffset += this.#chunk.length
    this.#chunk = chunk
    this.#at = 0
    this.#handedOn = 0
    try {
      while (this.#at < chunk.length) this.#step()
      this.#handOnRaw()
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      this.#handOnRaw()
      throw faultAt(error, this.#firstBlock ?? this.offset - BLOCK_SIZE)
    }
  }

  end(): void {
    const between = this.#state === 'header' || this.#state === 'second-zero-block'
    if (this.ended || (between && this.#blockLength === 0)) return
    const inside = this.#state === 'payload' ? 'the payload of an entry' : 'a header'
    const offset = this.#chunkOffset + this.#chunk.length
    throw faultAt(new Fault('ERR_TRUNCATED', `it ends inside ${inside}`), offset)
  }

  #step(): void {
    if (this.ended) {
      this.#at = this.#chunk.length
    } else if (this.#skip > 0) {
      this.#skip -= this.#pass(this.#skip)
    } else if (this.#state === 'payload') {
      this.#readPayload()
    } else if (this.#state === 'unreferenced') {
      this.#left -= this.#pass(this.#left)
      if (this.#left === 0) this.#finish()
    } else if (this.#state === 'extension') {
      this.#readExtension()
    } else {
      this.#readBlock()
    }
  }

  /** Goes on by `wanted` bytes or to the end of the chunk; returns by how many. */
  #pass(wanted: number): number {
    const taken = Math.min(wanted, this.#chunk.length - this.#at)
    this.#at += taken
    return taken
  }

  /** Gives the visitor all that was passed and is no payload. */
  #handOnRaw(): void {
    if (this.#handedOn < this.#at) {
      const { raw } = this.#visitor
      if (raw) raw.call(this.#visitor, this.#chunk.subarray(this.#handedOn, this.#at))
      this.#handedOn = this.#at
    }
  }

  #readBlock(): void {
    const chunk = this.#chunk
    const at = this.#at
    if (this.#blockLength === 0 && chunk.length - at >= BLOCK_SIZE) {
      this.#at = at + BLOCK_SIZE
      this.#takeBlock(chunk, at)
      return
    }
    const taken = this.#pass(BLOCK_SIZE - this.#blockLength)
    this.#block.set(chunk.subarray(at, at + taken), this.#blockLength)
    this.#blockLength += taken
    if (this.#blockLength < BLOCK_SIZE) return
    this.#blockLength = 0
    this.#takeBlock(this.#block, 0)
  }

  #takeBlock(bytes: Uint8Array, at: number): void {
    const sparse = this.#sparse
    if (sparse) {
      sparse.block(bytes, at)
      if (this.#state === 'pax-map') this.#left -= BLOCK_SIZE
      this.#continueSparse()
    } else if (!isZeroBlock(bytes, at)) {
      if (this.#state === 'second-zero-block') throw invalid('a zero block stands alone')
      this.#takeHeader(bytes, at)
    } else if (this.#state === 'second-zero-block') {
      this.ended = true
    } else {
      this.#state = 'second-zero-block'
    }
  }

  #takeHeader(bytes: Uint8Array, at: number): void {
    const format = blockFormat(bytes, at)
    const entry = parseHeader(bytes, at, format, this.#entry)
    const { typeflag, claimedSize } = entry
    if (claimedSize < 0 && !isHeaderOnly(typeflag)) throw invalid('a size is negative')
    this.#firstBlock ??= this.#chunkOffset + this.#at - BLOCK_SIZE
    if (
      typeflag === TYPEFLAG.pax ||
      typeflag === TYPEFLAG.paxGlobal ||
      typeflag === TYPEFLAG.longName ||
      typeflag === TYPEFLAG.longLink
    ) {
      if (claimedSize > EXTENSION_LIMIT) throw tooLong('an extension header is longer than 1 MiB')
      this.#extension = { typeflag, name: entry.name, body: new Uint8Array(claimedSize) }
      this.#left = claimedSize
      this.#state = 'extension'
      if (claimedSize === 0) this.#takeExtension()
      return
    }
    this.#takeEntry(entry, format, bytes, at)
  }

  #readExtension(): void {
    const { body } = this.#extension as Extension
    const from = this.#at
    const taken = this.#pass(this.#left)
    body.set(this.#chunk.subarray(from, this.#at), body.length - this.#left)
    this.#left -= taken
    if (this.#left === 0) this.#takeExtension()
  }

  #takeExtension(): void {
    const { typeflag, name, body } = this.#extension as Extension
    this.#extension = undefined
    this.#skip = paddingLength(body.length)
    this.#state = 'header'
    if (typeflag === TYPEFLAG.longName) this.#longName = textOf(body) ?? this.#longName
    else if (typeflag === TYPEFLAG.longLink) this.#longLink = textOf(body) ?? this.#longLink
    else if (typeflag === TYPEFLAG.pax) this.#records = parsePax(body)
    else {
      const path = parsePax(body).get('path')
      const entry = new EntryDraft()
      entry.type = 'global'
      entry.typeflag = typeflag
      entry.name = path?.length ? path : name
      this.#padding = this.#skip
      this.#begin(entry)
    }
  }

  #takeEntry(entry: EntryDraft, format: BlockFormat, bytes: Uint8Array, at: number): void {
    const records = this.#records
    if (records) mergePax(entry, records)
    if (this.#longName) entry.name = this.#longName
    if (this.#longLink) entry.linkname = this.#longLink
    settleType(entry)
    const headerOnly = isHeaderOnly(entry.typeflag)
    if (entry.claimedSize < 0 && !headerOnly) throw invalid('a size is negative')
    entry.storedSize = headerOnly ? 0 : entry.claimedSize
    entry.size = entry.storedSize
    this.#padding = paddingLength(entry.storedSize)

    const reader = this.#sparseReader(entry, format, bytes, at)
    if (!reader) {
      this.#begin(entry)
      return
    }
    if (headerOnly) throw invalid('a sparse entry is no file')
    this.#entry = entry
    this.#left = entry.storedSize
    this.#sparse = reader
    this.#continueSparse()
  }

  /** Sets the entry's true size, too: `claimedSize` becomes that of the file with its holes. */
  #sparseReader(
    entry: EntryDraft,
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
    const records = this.#records
    const form = records && paxSparseForm(records)
    if (!form) return undefined
    entry.claimedSize = mergePaxSparse(entry, records)
    return form === 'pax-0' ? pax0SparseReader(records) : pax1SparseReader()
  }

  #continueSparse(): void {
    const reader = this.#sparse as SparseReader
    const entry = this.#entry as EntryDraft
    const size = entry.claimedSize
    if (!reader.done) {
      this.#state = reader.form === 'gnu' ? 'gnu-map' : 'pax-map'
      if (this.#state === 'pax-map' && this.#left < BLOCK_SIZE) {
        throw invalid('a sparse map is longer than its file')
      }
      return
    }
    entry.sparse = finishSparse(reader, size, this.#left)
    entry.size = size
    entry.storedSize = this.#left
    this.#sparse = undefined
    if (size === 0) {
      this.#unreferenced = this.#left
      entry.storedSize = 0
    }
    this.#begin(entry)
  }

  #begin(entry: EntryDraft): void {
    entry.offset = this.#firstBlock as number
    this.#firstBlock = undefined
    this.#records = undefined
    this.#longName = undefined
    this.#longLink = undefined
    this.#entry = entry
    this.#handOnRaw()
    this.#visitor.entry(entry)
    this.#left = entry.storedSize
    if (this.#left > 0) this.#state = 'payload'
    else this.#finish()
  }

  #readPayload(): void {
    const chunk = this.#chunk
    const from = this.#at
    this.#handOnRaw()
    const taken = this.#pass(this.#left)
    this.#handedOn = this.#at
    this.#left -= taken
    this.#visitor.payload(taken === chunk.length ? chunk : chunk.subarray(from, from + taken))
    if (this.#left === 0) this.#finish()
  }

  #finish(): void {
    this.#left = this.#unreferenced
    this.#unreferenced = 0
    if (this.#left > 0) {
      this.#state = 'unreferenced'
      return
    }
    this.#state = 'header'
    this.#skip = this.#padding
    this.#visitor.entryEnd()
  }
}

/** How many NULs fill up the last block of `size` bytes. */
export function paddingLength(size: number): number {
  return (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE
}

/** A GNU long name: up to the first NUL; an empty one counts for nothing. */
function textOf(body: Uint8Array): Uint8Array | undefined {
  const end = endOfText(body, 0, body.length)
  return end === 0 ? undefined : copyOf(body, 0, end)
}
