import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ByteSource, DisplacedFile } from '@varve/core'
import type { TarEntry } from '@varve/tar'
import { dataOf } from '../codec/backup-data.ts'
import type { TarFile } from '../codec/from-tar.ts'

/** A payload in a file of its own. */
export interface AsidePayload {
  /** The raw bytes of the name in the tar header. */
  readonly name: Uint8Array
  readonly occurrence: number
  readonly size: number
  readonly path: string
}

interface Owned {
  readonly entry: TarEntry
  readonly occurrence: number
  readonly path: string
  /** Of an alternate stream, as in a backup stream. */
  readonly alternate: string | undefined
}

/**
 * Which payload of the tar is in which file of the layer. One whose file is replaced by a later entry
 * is saved before that, and so is what has no file: the tar can only be given back with them.
 */
export class Payloads {
  readonly displaced: AsidePayload[] = []
  readonly #dir: string
  readonly #fold: (name: string) => string
  readonly #reopen: (name: string) => AsyncIterable<Uint8Array>
  readonly #owned = new Map<string, Owned>()
  readonly #occurrences = new Map<string, number>()

  constructor(
    dir: string,
    caseSensitive: boolean,
    reopen: (name: string) => AsyncIterable<Uint8Array>,
  ) {
    this.#dir = dir
    this.#fold = caseSensitive ? (name) => name : (name) => name.toUpperCase()
    this.#reopen = reopen
  }

  /** A file was written under this name. */
  written(path: string, file: TarFile): void {
    if (file.entry.type === 'file' && file.size > 0 && !file.entry.sparse)
      this.#own(path, file.entry, undefined)
    const base = file.name.replace(/\/$/, '').length
    for (const entry of file.alternates) {
      const stream = new TextDecoder().decode(entry.name).slice(base)
      if (entry.size > 0) this.#own(path, entry, `${stream}:$DATA`)
    }
  }

  /** An entry is about to take this name; directories keep what is in them. */
  async replace(path: string, byDirectory: boolean): Promise<void> {
    const name = this.#fold(path)
    for (const key of [...this.#owned.keys()]) {
      const itself = key === name || key.startsWith(`${name}:`)
      const inside = !byDirectory && key.startsWith(`${name}\\`)
      if (!itself && !inside) continue
      const { entry, occurrence, path: from, alternate } = this.#owned.get(key) as Owned
      await this.#save(entry, occurrence, dataOf(this.#reopen(from), alternate))
      this.#owned.delete(key)
    }
  }

  /** A payload of an entry that makes no file, as a whiteout. */
  async neverWritten({ entry, stream }: TarFile): Promise<void> {
    if (entry.type !== 'file' || entry.storedSize === 0) return
    await this.#save(entry, this.#next(entry), dataOf(stream))
  }

  /** Keeps the payload of a sparse entry aside; gives its stream again. */
  async keep({ entry, stream }: TarFile): Promise<AsyncIterable<Uint8Array>> {
    const path = await this.#write(stream)
    await this.#save(entry, this.#next(entry), dataOf(createReadStream(path)))
    return createReadStream(path)
  }

  #own(path: string, entry: TarEntry, alternate: string | undefined): void {
    const occurrence = this.#next(entry)
    this.#owned.set(this.#fold(path) + (alternate ?? ''), { entry, occurrence, path, alternate })
  }

  #next(entry: TarEntry): number {
    const key = Buffer.from(entry.name).toString('latin1')
    const occurrence = this.#occurrences.get(key) ?? 0
    this.#occurrences.set(key, occurrence + 1)
    return occurrence
  }

  async #save(entry: TarEntry, occurrence: number, data: AsyncIterable<Uint8Array>): Promise<void> {
    const path = await this.#write(data)
    const { size } = await stat(path)
    this.displaced.push({ name: entry.name, occurrence, size, path })
  }

  async #write(data: AsyncIterable<Uint8Array>): Promise<string> {
    const path = join(this.#dir, randomBytes(8).toString('hex'))
    await using file = await open(path, 'wx', 0o600)
    for await (const bytes of data) await file.writeFile(bytes)
    return path
  }
}

/** As the driver contract has them. */
export function displacedFile({ path, ...file }: AsidePayload): DisplacedFile {
  return { ...file, open: (): ByteSource => createReadStream(path) }
}
