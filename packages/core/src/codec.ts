/**
 * The codec contract: how a tar becomes a record and comes back.
 *
 * A *record* holds every byte of a tar that is not the payload of a file in the layer, and for each
 * such payload its name, size and checksum, in order.
 *
 * @module
 */
import type { DisplacedFile, FileGetter } from './driver.ts'
import type { ByteSource, CallOptions } from './streams.ts'

/** Where a codec writes a record: takes a chunk, and says when it can take the next. */
export interface RecordSink {
  /** Returns a promise only when the caller should wait before it writes more. */
  write(chunk: Uint8Array): Promise<void> | undefined
}

/** See the module's text. */
export interface TarSplitCodec {
  /**
   * Passes a tar through and writes its record. Every input is accepted, tar or not, and every
   * byte is passed on in order; the record is complete once the generator has ended.
   */
  disassemble(tar: ByteSource, sink: RecordSink, options?: CallOptions): AsyncGenerator<Uint8Array>
  /**
   * The tar that a record describes.
   *
   * @throws LayerError `ERR_CORRUPT_RECORD` for a damaged record, `ERR_CORRUPT_LAYER` for a payload
   *   that is not what it was
   */
  assemble(record: ByteSource, files: FileGetter, options?: CallOptions): AsyncGenerator<Uint8Array>
  /** The same record with the given payloads inside it, for a layer that does not hold them. */
  inline(record: ByteSource, displaced: readonly DisplacedFile[]): AsyncGenerator<Uint8Array>
}
