import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync, statSync } from 'node:fs'
import { readSmallFile, writeFully } from './files.ts'
import type { Layout } from './layout.ts'

/** Hex digits. Random, not counted, so that nothing need be read, nor survive a power loss. */
const LENGTH = 32

/** What differs after every change. */
export class Revision {
  readonly #layout: Layout
  readonly #readOnly: boolean

  constructor(layout: Layout, readOnly: boolean) {
    this.#layout = layout
    this.#readOnly = readOnly
  }

  read(): string {
    const written = readSmallFile(this.#layout.revision, 4096)?.toString() ?? ''
    // Docker, which a reader may find at work, writes no revision but changes the directories.
    return this.#readOnly ? `${written} ${this.#times()}` : written
  }

  /** Call it before a change is made: a revision too many does no harm, one too few does. */
  bump(): void {
    const fd = openSync(this.#layout.revision, constants.O_WRONLY | constants.O_CREAT, 0o600)
    try {
      writeFully(fd, Buffer.from(randomBytes(LENGTH / 2).toString('hex')), 0)
    } finally {
      closeSync(fd)
    }
  }

  /** The links count subdirectories: two changes may fall into one tick of the clock. */
  #times(): string {
    const { layers, mounts } = this.#layout
    return [layers, mounts]
      .map((dir) => {
        const stat = statSync(dir, { bigint: true, throwIfNoEntry: false })
        return stat ? `${stat.mtimeNs}/${stat.nlink}` : '-'
      })
      .join(' ')
  }
}
