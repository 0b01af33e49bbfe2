import { EMPTY } from './bytes.ts'
import type { TarScanner, TarVisitor } from './entry.ts'
import { Extensions, isExtension } from './extensions.ts'
import { Fault, faultAt, invalid } from './fault.ts'
import {
  BLOCK_SIZE,
  type BlockFormat,
  blockFormat,
  type EntryDraft,
  isHeaderOnly,
  isZeroBlock,
  parseHeader,
  settleType,
} from './header.ts'
import { paddingLength } from './padding.ts'
import { finishSparse, type SparseReader, sparseReader } from './sparse.ts'

/** What the bytes at the scanner's position are. */
type State =
  | 'header'
  | 'second-zero-block'
  | 'extension'
  | 'gnu-map'
  | 'pax-map'
  | 'payload'
  | 'unreferenced'

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

  /** Where the entry's first header begins. */
  #firstBlock: number | undefined
  readonly #extensions = new Extensions()

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
    if (!isExtension(typeflag)) {
      this.#takeEntry(entry, format, bytes, at)
      return
    }
    this.#extensions.open(typeflag, entry.name, claimedSize)
    this.#left = claimedSize
    this.#padding = paddingLength(claimedSize)
    this.#state = 'extension'
    if (claimedSize === 0) this.#takeExtension()
  }

  #readExtension(): void {
    const from = this.#at
    this.#left -= this.#pass(this.#left)
    this.#extensions.read(this.#chunk.subarray(from, this.#at))
    if (this.#left === 0) this.#takeExtension()
  }

  #takeExtension(): void {
    this.#skip = this.#padding
    this.#state = 'header'
    const global = this.#extensions.close()
    if (global) this.#begin(global)
  }

  #takeEntry(entry: EntryDraft, format: BlockFormat, bytes: Uint8Array, at: number): void {
    this.#extensions.mergeInto(entry)
    settleType(entry)
    const headerOnly = isHeaderOnly(entry.typeflag)
    if (entry.claimedSize < 0 && !headerOnly) throw invalid('a size is negative')
    entry.storedSize = headerOnly ? 0 : entry.claimedSize
    entry.size = entry.storedSize
    this.#padding = paddingLength(entry.storedSize)

    const reader = sparseReader(entry, this.#extensions.records, format, bytes, at)
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
    this.#extensions.clear()
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
