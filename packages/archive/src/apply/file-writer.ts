import type { SparseMap, TarEntry } from '@varve/tar'
import type { FileCalls } from '../safe-root/calls.ts'

/** Writes an entry's payload to an open file; a sparse file gets its holes. */
export class FileWriter {
  readonly fd: number
  readonly #calls: FileCalls
  readonly #sparse: SparseMap | undefined
  readonly #size: number
  /** The region that is being written, and how much of it has been. */
  #region = 0
  #done = 0

  constructor(calls: FileCalls, fd: number, entry: TarEntry) {
    this.fd = fd
    this.#calls = calls
    this.#sparse = entry.sparse
    this.#size = entry.size
  }

  write(bytes: Uint8Array): void {
    if (!this.#sparse) {
      this.#calls.write(this.fd, bytes)
      return
    }
    for (let rest = bytes; rest.length > 0; ) {
      const region = this.#sparse.regions[this.#region]
      if (!region) return
      const part = rest.subarray(0, region.length - this.#done)
      this.#calls.write(this.fd, part, region.offset + this.#done)
      this.#done += part.length
      rest = rest.subarray(part.length)
      if (this.#done === region.length) {
        this.#region++
        this.#done = 0
      }
    }
  }

  /** Gives a sparse file its size, which the last hole may be part of. */
  finish(): void {
    if (this.#sparse) this.#calls.ftruncate(this.fd, this.#size)
  }
}
