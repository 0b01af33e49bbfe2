import { randomBytes } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FileLock, Sys } from '@varve/sys'
import { listNames, readText, removeTree } from '../disk/files.ts'
import { FILE_MODE, type Layout } from '../disk/layout.ts'
import type { Locks } from './locks.ts'

const OWNER = /^[0-9a-f]{32}$/
const HELD = '.held'

/**
 * Images that are not to be deleted, by the sessions that need them. Others see them in a file that
 * counts as long as its owner lives, which is as long as the owner's own file is locked.
 */
export class Holds {
  readonly #sys: Sys
  readonly #layout: Layout
  readonly #locks: Locks
  readonly #readOnly: boolean
  readonly #sessions = new Map<string, Set<string>>()
  readonly #id = randomBytes(16).toString('hex')
  #lock: Promise<FileLock> | undefined
  #closed = false
  #streams = 0

  constructor(sys: Sys, layout: Layout, locks: Locks, readOnly: boolean) {
    this.#sys = sys
    this.#layout = layout
    this.#locks = locks
    this.#readOnly = readOnly
  }

  async retain(session: string, ids: readonly string[]): Promise<void> {
    // Under the lock, so that no deletion has been decided on and not been made.
    await this.#locks.graph('shared', async () => {
      for (const id of ids) {
        const sessions = this.#sessions.get(id)
        if (sessions) sessions.add(session)
        else this.#sessions.set(id, new Set([session]))
      }
      await this.#write()
    })
  }

  async release(session: string, ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const sessions = this.#sessions.get(id)
      sessions?.delete(session)
      if (sessions?.size === 0) this.#sessions.delete(id)
    }
    await this.#write()
  }

  /** Holds an image for a step of our own. */
  async take(id: string): Promise<AsyncDisposable> {
    const session = `#${++this.#streams}`
    await this.retain(session, [id])
    return { [Symbol.asyncDispose]: () => this.release(session, [id]) }
  }

  /** Whether anybody holds it who lives. */
  isHeld(id: string): boolean {
    if (this.#sessions.has(id)) return true
    return this.#others().some((owner) => {
      const held = readText(join(this.#layout.owners, owner + HELD))
      return held?.split('\n').includes(id) && this.#lives(owner)
    })
  }

  /** Removes what dead processes left. Call it under the exclusive lock. */
  sweep(): void {
    for (const owner of this.#others()) {
      const path = join(this.#layout.owners, owner)
      using lock = this.#sys.tryLockFile(path, 'exclusive')
      if (!lock) continue
      removeTree(path + HELD)
      removeTree(path)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#sessions.clear()
    const lock = await this.#lock
    if (!lock) return
    removeTree(this.#path + HELD)
    removeTree(this.#path)
    lock[Symbol.dispose]()
  }

  get #path(): string {
    return join(this.#layout.owners, this.#id)
  }

  #lives(owner: string): boolean {
    // Shared, so that two who ask at once do not take each other for the owner.
    using lock = this.#sys.tryLockFile(join(this.#layout.owners, owner), 'shared')
    return lock === undefined
  }

  #others(): string[] {
    const names = listNames(this.#layout.owners)
    return names.filter((name) => OWNER.test(name) && name !== this.#id)
  }

  async #write(): Promise<void> {
    if (this.#readOnly || this.#closed) return
    this.#lock ??= this.#sys.lockFile(this.#path, { mode: 'exclusive' })
    await this.#lock
    const path = this.#path + HELD
    writeFileSync(`${path}.new`, [...this.#sessions.keys()].join('\n'), { mode: FILE_MODE })
    renameSync(`${path}.new`, path)
  }
}
