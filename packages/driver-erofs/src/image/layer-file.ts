import { type FileHandle, open, rm } from 'node:fs/promises'
import { wrapError } from '@varve/core'
import type { ImageFile } from '@varve/erofs'

const BUFFER_BYTES = 2 ** 20

/**
 * A file that an image is written to: what is written in order is gathered in one buffer while the
 * last one is on its way to the disk.
 */
export class LayerFile implements ImageFile, AsyncDisposable {
  readonly #path: string
  readonly #handle: FileHandle
  #filling = new Uint8Array(BUFFER_BYTES)
  #spare = new Uint8Array(BUFFER_BYTES)
  /** Where in the file the buffer begins, and how much of it is filled. */
  #start = 0
  #filled = 0
  #writing: Promise<unknown> | undefined
  #failure: unknown

  private constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  /** Makes the file, in place of one that a killed process left, which may be under fs-verity. */
  static async create(path: string): Promise<LayerFile> {
    await rm(path, { force: true })
    return new LayerFile(path, await open(path, 'wx+', 0o600))
  }

  write(position: number, bytes: Uint8Array): void | Promise<void> {
    const isNext = position === this.#start + this.#filled
    if (isNext && this.#filled + bytes.length < BUFFER_BYTES) {
      this.#filling.set(bytes, this.#filled)
      this.#filled += bytes.length
      return
    }
    return this.#writeSlowly(position, bytes)
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    await this.finish()
    const buffer = new Uint8Array(length)
    const { bytesRead } = await this.#handle.read(buffer, 0, length, position)
    return buffer.subarray(0, bytesRead)
  }

  /** All that was written is in the file now. */
  async finish(): Promise<void> {
    await this.#flush()
    await this.#settle()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
    await this.#handle.close()
  }

  async #writeSlowly(position: number, bytes: Uint8Array): Promise<void> {
    if (position !== this.#start + this.#filled) {
      await this.#flush()
      this.#start = position
    }
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + BUFFER_BYTES - this.#filled)
      this.#filling.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === BUFFER_BYTES) await this.#flush()
    }
  }

  /** Sends the buffer on its way, once the last one has arrived. */
  async #flush(): Promise<void> {
    await this.#settle()
    if (this.#filled === 0) return
    const buffer = this.#filling.subarray(0, this.#filled)
    this.#writing = this.#writeAll(buffer, this.#start).catch((error: unknown) => {
      this.#failure = error
    })
    this.#start += this.#filled
    this.#filled = 0
    ;[this.#filling, this.#spare] = [this.#spare, this.#filling]
  }

  async #writeAll(buffer: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < buffer.length; ) {
      const left = buffer.length - at
      const { bytesWritten } = await this.#handle.write(buffer, at, left, position + at)
      at += bytesWritten
    }
  }

  async #settle(): Promise<void> {
    await this.#writing
    this.#writing = undefined
    if (this.#failure !== undefined) throw wrapError(this.#failure, `Cannot write ${this.#path}`)
  }
}
