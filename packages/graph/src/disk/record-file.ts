/**
 * `tar-data.json.gz`: the record by which a layer's tar is put together again.
 *
 * @module
 */
import { createReadStream, createWriteStream, type WriteStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip, createGzip, type Gzip } from 'node:zlib'
import { LayerError, type RecordSink, wrapError } from '@varve/core'
import { FILE_MODE } from './layout.ts'

/** A record is written in tiny pieces; compressing each by itself would cost a thread hop each. */
const BATCH = 2 ** 16

/** Writes a record, compressed, no faster than it can be taken. */
export class RecordFile implements RecordSink {
  readonly #gzip: Gzip = createGzip({ chunkSize: BATCH })
  readonly #file: WriteStream
  readonly #ended: Promise<void>
  #failure: { readonly error: unknown } | undefined
  #batch: Buffer = Buffer.allocUnsafe(BATCH)
  #filled = 0

  /** @param path of a file that is not there yet, or is replaced */
  constructor(path: string) {
    this.#file = createWriteStream(path, { mode: FILE_MODE, highWaterMark: BATCH })
    this.#ended = new Promise((resolve) => {
      pipeline(this.#gzip, this.#file, (error) => {
        if (error) this.#failure ??= { error }
        resolve()
      })
    })
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    let ready = true
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + BATCH - this.#filled)
      this.#batch.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === BATCH) ready = this.#flush()
    }
    return ready ? undefined : this.#drained()
  }

  /** Ends the record. @throws LayerError `ERR_NO_SPACE`, `ERR_IO` */
  async close(): Promise<void> {
    this.#flush()
    this.#gzip.end()
    await this.#ended
    this.#check()
  }

  /** Stops, whatever was written so far; after `close`, does nothing. */
  async abandon(): Promise<void> {
    this.#gzip.destroy()
    await this.#ended
  }

  #flush(): boolean {
    const batch = this.#batch.subarray(0, this.#filled)
    this.#batch = Buffer.allocUnsafe(BATCH)
    this.#filled = 0
    return batch.length === 0 || this.#gzip.write(batch)
  }

  async #drained(): Promise<void> {
    const drained = new Promise<void>((resolve) => this.#gzip.once('drain', resolve))
    await Promise.race([drained, this.#ended])
    this.#check()
  }

  #check(): void {
    if (this.#failure) throw wrapError(this.#failure.error, 'Cannot write the tar-split record')
  }
}

/** The record in a file, uncompressed. @throws LayerError `ERR_CORRUPT_RECORD` */
export async function* readRecord(path: string, attempt: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: BATCH })
  const gunzip = createGunzip({ chunkSize: BATCH })
  // What fails on the way is thrown by the loop, from the stream at its end.
  pipeline(file, gunzip, () => {})
  try {
    for await (const chunk of gunzip) yield chunk as Uint8Array
  } catch (error) {
    if ((error as { syscall?: unknown }).syscall !== undefined) throw wrapError(error, attempt)
    const why = error instanceof Error ? error.message : String(error)
    throw new LayerError('ERR_CORRUPT_RECORD', `${attempt}: its gzip data is damaged: ${why}`, {
      cause: error,
      data: { path },
    })
  } finally {
    file.destroy()
    gunzip.destroy()
  }
}
