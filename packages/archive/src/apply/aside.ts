import type { DisplacedFile } from '@varve/core'
import { AT, O } from '@varve/sys'
import { readOpen } from '../files/read-file.ts'
import { fromBinary } from '../safe-root/binary.ts'
import { codeOf, type FileCalls } from '../safe-root/calls.ts'
import type { Directory } from '../safe-root/safe-root.ts'

const COPY_BYTES = 256 * 1024

/** A payload of the tar: the name that the tar gave it, and the how-many-eth of that name. */
export interface Payload {
  /** A binary string: tens of thousands of small byte arrays would be large. */
  readonly name: string
  readonly occurrence: number
  readonly size: number
}

/** The directory where payloads go that the layer does not hold, and a list of them. */
export class Aside {
  readonly displaced: DisplacedFile[] = []
  readonly #calls: FileCalls
  readonly #fd: number
  #made = 0

  constructor(calls: FileCalls, path: string) {
    this.#calls = calls
    this.#fd = calls.openat(AT.FDCWD, Buffer.from(path), O.PATH | O.DIRECTORY)
  }

  /** Moves a file here. */
  take(payload: Payload, from: Directory, name: string): void {
    const bytes = fromBinary(name)
    const own = this.#newName()
    if (!this.#onSame(() => this.#calls.renameat2(from.fd, bytes, this.#fd, own))) {
      this.#copy(from.fd, bytes, own)
      this.#calls.unlinkIfAny(from.fd, bytes)
    }
    this.#list(payload, own)
  }

  /** Keeps a file that stays in the layer, but no longer under the payload's name. */
  takeLink(payload: Payload, from: Directory, name: string): void {
    const own = this.#newName()
    const bytes = fromBinary(name)
    if (!this.#onSame(() => this.#calls.linkat(from.fd, bytes, this.#fd, own))) {
      this.#copy(from.fd, bytes, own)
    }
    this.#list(payload, own)
  }

  /** Opens a new file; for a payload that the layer never gets, if one is named. */
  create(payload: Payload | undefined): { readonly fd: number; readonly name: Uint8Array } {
    const name = this.#newName()
    const fd = this.#calls.openat(this.#fd, name, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600)
    if (payload) this.#list(payload, name)
    return { fd, name }
  }

  /** Opens a file made by `create`. */
  open(name: Uint8Array): number {
    return this.#calls.openat(this.#fd, name, O.RDONLY | O.NOFOLLOW)
  }

  /** Removes all of it. */
  [Symbol.dispose](): void {
    for (let i = 0; i < this.#made; i++) this.#calls.unlinkIfAny(this.#fd, nameOf(i))
    this.#made = 0
    this.#calls.close(this.#fd)
  }

  /** False if the layer is seen through a mount, out of which nothing can be moved. */
  #onSame(move: () => void): boolean {
    try {
      move()
      return true
    } catch (error) {
      if (codeOf(error) === 'EXDEV') return false
      throw error
    }
  }

  #copy(dirfd: number, name: Uint8Array, own: Uint8Array): void {
    const from = this.#calls.openat(dirfd, name, O.RDONLY | O.NOFOLLOW)
    try {
      const to = this.#calls.openat(this.#fd, own, O.WRONLY | O.CREAT | O.EXCL, 0o600)
      try {
        const buffer = new Uint8Array(COPY_BYTES)
        for (let got = this.#calls.read(from, buffer); got > 0; ) {
          this.#calls.write(to, buffer.subarray(0, got))
          got = this.#calls.read(from, buffer)
        }
      } finally {
        this.#calls.close(to)
      }
    } finally {
      this.#calls.close(from)
    }
  }

  #newName(): Uint8Array {
    return nameOf(this.#made++)
  }

  #list(payload: Payload, name: Uint8Array): void {
    const { occurrence, size } = payload
    const given = fromBinary(payload.name)
    this.displaced.push({
      name: given,
      occurrence,
      size,
      open: () => readOpen(this.#calls, this.#fd, name, size, given),
    })
  }
}

function nameOf(serial: number): Uint8Array {
  return Buffer.from(`displaced-${serial}`)
}
