import type { ImageFile } from '../storage.ts'

const BUFFER_BYTES = 256 * 1024

/** Gathers small pieces, written in order with gaps of zeros between them, into large writes. */
export class SequentialWriter {
  readonly #file: ImageFile
  /** Where in the image the buffer begins, and how much of it is filled. */
  #start: number
  #filled = 0
  #buffer = new Uint8Array(BUFFER_BYTES)
  #view = new DataView(this.#buffer.buffer)

  constructor(file: ImageFile, start: number) {
    this.#file = file
    this.#start = start
  }

  /** Whether the buffer should be flushed before more is written. */
  get isFull(): boolean {
    return this.#filled > BUFFER_BYTES / 2
  }

  /** A place of `length` zero bytes at `position`, which is not before the end of the last one. */
  place(position: number, length: number): { readonly view: DataView; readonly at: number } {
    const at = position - this.#start
    const end = at + length
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(end, this.#buffer.length * 2))
      larger.set(this.#buffer.subarray(0, this.#filled))
      this.#buffer = larger
      this.#view = new DataView(larger.buffer)
    }
    this.#filled = end
    return { view: this.#view, at }
  }

  /** Writes bytes at `position`, as `place`. */
  put(position: number, bytes: Uint8Array): void {
    const { at } = this.place(position, bytes.length)
    this.#buffer.set(bytes, at)
  }

  async flush(): Promise<void> {
    if (this.#filled === 0) return
    await this.#file.write(this.#start, this.#buffer.subarray(0, this.#filled))
    this.#start += this.#filled
    this.#filled = 0
    // The file may keep what it was given.
    this.#buffer = new Uint8Array(BUFFER_BYTES)
    this.#view = new DataView(this.#buffer.buffer)
  }
}
