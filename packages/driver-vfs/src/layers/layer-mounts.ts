import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, type KeptMount, LayerError } from '@varve/core'
import type { FileLock, Sys } from '@varve/sys'
import { readKept, writeKept } from '@varve/trees'
import type { Home } from '../home.ts'

const KINDS = [false, true] as const

/**
 * Who uses layers. A mount is the layer's directory, which is always there; so nothing is mounted
 * and unmounted, and what is counted only keeps a layer from being removed or reset: mounts that
 * are kept, in files, and those that this process uses.
 */
export class LayerMounts {
  readonly #home: Home
  readonly #sys: Sys
  readonly #used = new Map<CacheID, number>()

  constructor(home: Home, sys: Sys) {
    this.#home = home
    this.#sys = sys
  }

  /** One more user in this process; one less when disposed of. */
  use(id: CacheID): Disposable {
    this.#used.set(id, (this.#used.get(id) ?? 0) + 1)
    let open = true
    return {
      [Symbol.dispose]: () => {
        if (!open) return
        open = false
        const left = (this.#used.get(id) ?? 1) - 1
        if (left > 0) this.#used.set(id, left)
        else this.#used.delete(id)
      },
    }
  }

  /** Whether this process uses it. */
  isUsed(id: CacheID): boolean {
    return this.#used.has(id)
  }

  /** Keeps a mount, once more. The mounts must be locked. */
  async keep(id: CacheID, readOnly: boolean): Promise<void> {
    const count = await this.#count(id, readOnly)
    writeKept(this.#file(id, readOnly), await this.#boot(), count + 1)
  }

  /**
   * Ends one kept mount, or all of its kind; says how many are left.
   *
   * @throws LayerError `ERR_MOUNT_NOT_FOUND`
   */
  async unkeep(id: CacheID, readOnly: boolean, all: boolean): Promise<number> {
    await using _lock = await this.lock()
    const count = await this.#count(id, readOnly)
    if (count === 0) {
      const kind = readOnly ? 'read-only mount' : 'mount'
      const message = `Cannot unmount layer ${id}: no ${kind} is kept`
      throw new LayerError('ERR_MOUNT_NOT_FOUND', message, { data: { id, readOnly } })
    }
    const left = all ? 0 : count - 1
    writeKept(this.#file(id, readOnly), await this.#boot(), left)
    return left
  }

  async kept(id: CacheID): Promise<KeptMount[]> {
    const path = this.#home.layer(id)
    const counts = await Promise.all(KINDS.map((readOnly) => this.#count(id, readOnly)))
    return KINDS.map((readOnly, i) => ({ path, readOnly, count: counts[i] ?? 0 })).filter(
      ({ count }) => count > 0,
    )
  }

  /**
   * Refuses if a mount is kept, and forgets those of before a restart of the machine. The mounts
   * must be locked.
   *
   * @param attempt as `Cannot remove layer …`
   * @throws LayerError `ERR_MOUNT_IN_USE`
   */
  async refuseKept(id: CacheID, attempt: string): Promise<void> {
    if ((await this.kept(id)).length > 0) throw inUse(id, this.#home.layer(id), attempt)
    for (const readOnly of KINDS) writeKept(this.#file(id, readOnly), '', 0)
  }

  /** Alone with what is kept, of every layer; held for a few system calls. */
  async lock(): Promise<FileLock> {
    await mkdir(this.#home.kept, { recursive: true, mode: 0o700 })
    return this.#sys.lockFile(join(this.#home.kept, 'lock'), { mode: 'exclusive' })
  }

  async #count(id: CacheID, readOnly: boolean): Promise<number> {
    return readKept(this.#file(id, readOnly), await this.#boot())
  }

  #file(id: CacheID, readOnly: boolean): string {
    return join(this.#home.kept, readOnly ? `${id}.view` : id)
  }

  /** Where boots cannot be told apart, mounts are kept until they are unmounted. */
  async #boot(): Promise<string> {
    return (await this.#sys.bootId()) ?? 'unknown'
  }
}

/** @param attempt as `Cannot remove layer …` */
export function inUse(id: CacheID, path: string, attempt: string): LayerError {
  return new LayerError('ERR_MOUNT_IN_USE', `${attempt}: it is mounted`, {
    data: { id, path },
    hint: 'Unmount it, then try again',
  })
}
