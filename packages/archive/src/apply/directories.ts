import type { TarEntry } from '@varve/tar'
import { baseOf, fromBinary, parentOf } from '../safe-root/binary.ts'
import type { SafeRoot } from '../safe-root/safe-root.ts'
import { timesOf } from './metadata.ts'

interface Final {
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  /** Undefined if it has its mode already. */
  readonly mode: number | undefined
}

/**
 * What directories get when everything else is in place: times, which every name made in them would
 * change, and for an ordinary user modes, which may forbid him to make any.
 */
export class Directories {
  readonly #finals = new Map<string, Final>()

  /** Notes what an entry says of a directory; of several entries the last one counts. */
  note(path: string, entry: TarEntry, modeLater: boolean): void {
    const [atimeNs, mtimeNs] = timesOf(entry)
    this.#finals.set(path, { atimeNs, mtimeNs, mode: modeLater ? entry.mode & 0o7777 : undefined })
  }

  forget(path: string): void {
    this.#finals.delete(path)
  }

  /** Children before their parents, whose modes may keep one out. */
  finish(root: SafeRoot): void {
    const modes = new Map<string, number>()
    for (const [path, { mode }] of this.#finals) if (mode !== undefined) modes.set(path, mode)
    for (const [path, mode] of root.loosened) if (!this.#finals.has(path)) modes.set(path, mode)
    const paths = new Set([...this.#finals.keys(), ...modes.keys()])
    for (const path of [...paths].sort().reverse()) {
      const fd = root.open(parentOf(path)).fd
      const name = fromBinary(baseOf(path))
      const mode = modes.get(path)
      const final = this.#finals.get(path)
      if (final) root.calls.utimensat(fd, name, final.atimeNs, final.mtimeNs)
      if (mode !== undefined) root.calls.fchmodat(fd, name, mode)
    }
  }
}
