import type { ByteSource, CallOptions, RecordSink } from '@varve/core'
import { LayerError } from '@varve/core/errors'
import { createTarScanner, type TarEntry, type TarScanner } from '@varve/tar'
import { crc64 } from './crc64.ts'
import { checkSignal } from './faults.ts'
import { NameSet } from './name-set.ts'
import { RecordWriter, SEGMENT_LIMIT } from './record-writer.ts'

/** Input is worked on in steps of this, so that what a step writes is bounded. */
const STEP = 1 << 20

/** See `TarSplitCodec.disassemble`. */
export async function* disassemble(
  tar: ByteSource,
  sink: RecordSink,
  options: CallOptions = {},
): AsyncGenerator<Uint8Array> {
  const splitter = new Splitter()
  const pass = async (buffers: readonly Uint8Array[]): Promise<void> => {
    for (const buffer of buffers) {
      const wait = sink.write(buffer)
      if (wait !== undefined) await wait
    }
  }
  let done = 0
  for await (const chunk of tar) {
    checkSignal(options.signal, 'Cannot record tar')
    for (let at = 0; at < chunk.length; at += STEP) {
      splitter.push(chunk.length <= STEP ? chunk : chunk.subarray(at, at + STEP))
      const buffers = splitter.record.take()
      if (buffers.length > 0) await pass(buffers)
    }
    done += chunk.length
    options.onProgress?.({ phase: 'disassemble', id: 'tar', done })
    yield chunk
  }
  splitter.end()
  await pass(splitter.record.take(true))
}

/** Sorts the bytes of a tar into segments and payloads. */
class Splitter {
  readonly record = new RecordWriter()
  readonly #names = new NameSet()
  readonly #crc = crc64()
  readonly #scanner: TarScanner
  /** Whether the rest is no tar, so that all of it becomes segments. */
  #broken = false
  /** The entry whose payload is being read, if that stays in the layer. */
  #file: TarEntry | undefined
  #seen = 0
  /** The beginning of that payload, for the case that the tar ends inside it. */
  #held: Uint8Array | undefined

  constructor() {
    this.#scanner = createTarScanner({
      raw: (bytes) => this.record.segment(bytes),
      entry: (entry) => this.#entry(entry),
      payload: (bytes) => this.#payload(bytes),
      entryEnd: () => this.#entryEnd(),
    })
  }

  push(bytes: Uint8Array): void {
    if (this.#broken) {
      this.record.segment(bytes)
      return
    }
    const start = this.#scanner.offset
    try {
      this.#scanner.push(bytes)
    } catch (error) {
      this.#breakOff(error)
      this.record.segment(bytes.subarray(this.#scanner.offset - start))
    }
  }

  end(): void {
    if (!this.#broken) {
      try {
        this.#scanner.end()
      } catch (error) {
        this.#breakOff(error)
        this.#cutShort()
      }
    }
    this.record.end()
  }

  /** A tar that cannot be read is no failure here: its bytes are kept all the same. */
  #breakOff(error: unknown): void {
    if (!LayerError.is(error)) throw error
    this.#broken = true
  }

  #entry(entry: TarEntry): void {
    const isFirst = this.#names.add(entry.name)
    if (!isFirst || !isFileOfLayer(entry)) return
    if (entry.storedSize === 0) {
      this.record.file({ name: entry.name, size: 0, checksum: undefined })
      return
    }
    this.#file = entry
    this.#seen = 0
    this.#crc.reset()
  }

  #payload(bytes: Uint8Array): void {
    const file = this.#file
    if (!file) {
      this.record.segment(bytes)
      return
    }
    this.#crc.update(bytes)
    const seen = this.#seen
    this.#seen += bytes.length
    if (this.#seen < file.storedSize && this.#seen <= SEGMENT_LIMIT) {
      this.#held ??= new Uint8Array(SEGMENT_LIMIT)
      this.#held.set(bytes, seen)
    }
  }

  #entryEnd(): void {
    const file = this.#file
    if (!file) return
    this.record.file({ name: file.name, size: file.storedSize, checksum: this.#crc.digest() })
    this.#file = undefined
  }

  /**
   * The tar has ended inside a payload. What there was of it is a segment, as no layer holds half a
   * file; a part too long to be held is described as a file of that length.
   */
  #cutShort(): void {
    const file = this.#file
    if (!file) return
    if (this.#seen > SEGMENT_LIMIT) {
      this.record.file({ name: file.name, size: this.#seen, checksum: this.#crc.digest() })
    } else if (this.#held) {
      this.record.segment(this.#held.subarray(0, this.#seen))
    }
    this.#file = undefined
  }
}

/**
 * Whether the layer will hold the entry's payload as it is in the tar. It will not hold bodies of
 * whiteouts and AUFS metadata, and of sparse files only such as have no holes and no map among
 * their data.
 */
function isFileOfLayer(entry: TarEntry): boolean {
  const { sparse } = entry
  if (sparse && (sparse.form === 'pax-1' || entry.storedSize !== entry.size)) return false
  return entry.storedSize === 0 || !isWhiteout(entry.name)
}

/** Whether a component of the name begins with `.wh.` (OCI image layer specification, whiteouts). */
function isWhiteout(name: Uint8Array): boolean {
  for (let dot = name.indexOf(0x2e); dot >= 0; dot = name.indexOf(0x2e, dot + 1)) {
    const starts = dot === 0 || name[dot - 1] === 0x2f
    if (starts && name[dot + 1] === 0x77 && name[dot + 2] === 0x68 && name[dot + 3] === 0x2e) {
      return true
    }
  }
  return false
}
