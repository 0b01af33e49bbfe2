import { appendFileSync } from 'node:fs'
import { type DiffID, isDigest } from '@varve/core'
import { isV1ID } from '@varve/image'
import { readText, removeTree } from '../disk/files.ts'

/**
 * DiffIDs that a run has found out, so that the next one need not read those layers again. It saves
 * time and nothing hangs on it: a line that was cut off, or lost, costs one layer's reading.
 */
export class Memo {
  readonly #path: string | undefined
  readonly #known = new Map<string, DiffID>()

  constructor(path: string | undefined) {
    this.#path = path
    const lines = (path && readText(path))?.split('\n') ?? []
    for (const line of lines) {
      const [id = '', diffID] = line.split(' ')
      if (isV1ID(id) && isDigest(diffID)) this.#known.set(id, diffID as string as DiffID)
    }
  }

  get(id: string): DiffID | undefined {
    return this.#known.get(id)
  }

  set(id: string, diffID: DiffID): void {
    this.#known.set(id, diffID)
    // In front of the line, because the one before may have been cut off.
    if (this.#path) appendFileSync(this.#path, `\n${id} ${diffID}`, { mode: 0o600 })
  }

  /** Nothing is left to do. */
  forget(): void {
    if (this.#path) removeTree(this.#path)
  }
}
