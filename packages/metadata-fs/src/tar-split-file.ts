import { closeSync, createReadStream, openSync } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip, createGzip, type Gzip } from 'node:zlib'
import { LayerError, type RecordSink, wrapError } from '@varve/core'
import { writeFully } from './files.ts'

/** A record is written in tiny pieces; compressing each by itself would cost a thread hop each. */
const BATCH_BYTES = 64 << 10

/** Go's `compress/gzip` sets no XFL at its default level, and OS 255, "unknown" (RFC 1952). */
const GO_HEADER = { xfl: 8, os: 9, unknown: 255 } as const

/** Writes one record, compressed off the main thread, no faster than it can be taken. */
export class RecordFile implements RecordSink {
  readonly #fd: number
  readonly #gzip: Gzip
  readonly #ended: Promise<void>
  #batch = Buffer.allocUnsafe(BATCH_BYTES)
  #filled = 0
  #atStart = true
  #open = true
  #failure: { readonly error: unknown } | undefined

  constructor(path: string, level: number) {
    this.#fd = openSync(path, 'w', 0o644)
    this.#gzip = createGzip({ level, chunkSize: BATCH_BYTES })
    this.#gzip.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#ended = new Promise((resolve) => {
      this.#gzip.once('end', resolve).once('close', resolve)
      this.#gzip.once('error', (error) => {
        this.#failure ??= { error }
        resolve()
      })
    })
  }

  get isOpen(): boolean {
    return this.#open
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    this.#check()
    let ready = true
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + BATCH_BYTES - this.#filled)
      this.#batch.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === BATCH_BYTES) ready = this.#flush()
    }
    return ready ? undefined : this.#drained()
  }

  /** Ends the record; it is complete on disk (though not synced) once this resolves. */
  async close(): Promise<void> {
    if (!this.#open) return
    try {
      this.#check()
      this.#flush()
      this.#gzip.end()
      await this.#ended
    } finally {
      this.abandon()
    }
    this.#check(true)
  }

  /** Stops, whatever was written so far. */
  abandon(): void {
    if (!this.#open) return
    this.#open = false
    this.#gzip.destroy()
    closeSync(this.#fd)
  }

  #flush(): boolean {
    const batch = this.#batch.subarray(0, this.#filled)
    this.#batch = Buffer.allocUnsafe(BATCH_BYTES)
    this.#filled = 0
    return batch.length === 0 || this.#gzip.write(batch)
  }

  async #drained(): Promise<void> {
    const drained = new Promise<void>((resolve) => this.#gzip.once('drain', resolve))
    await Promise.race([drained, this.#ended])
    this.#check()
  }

  #take(chunk: Buffer): void {
    if (!this.#open || this.#failure) return
    try {
      if (this.#atStart && chunk.length > GO_HEADER.os) {
        chunk[GO_HEADER.xfl] = 0
        chunk[GO_HEADER.os] = GO_HEADER.unknown
      }
      this.#atStart = false
      writeFully(this.#fd, chunk)
    } catch (error) {
      this.#failure = { error }
      this.#gzip.destroy()
    }
  }

  #check(closed = false): void {
    if (this.#failure) throw wrapError(this.#failure.error, 'Cannot write the tar-split record')
    if (!this.#open && !closed) {
      throw new LayerError('ERR_INTERNAL', 'Cannot write to a closed tar-split record')
    }
  }
}

/** The record in a file, uncompressed. @throws LayerError `ERR_CORRUPT_RECORD` */
export async function* readRecordFile(
  path: string,
  attempt: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = createReadStream(path, { highWaterMark: BATCH_BYTES })
  const gunzip = createGunzip({ chunkSize: BATCH_BYTES })
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
      hint: 'Run varve check --repair, then load the image again',
    })
  } finally {
    file.destroy()
    gunzip.destroy()
  }
}
