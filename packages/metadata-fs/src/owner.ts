import { randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { type Digest, hexOf } from '@varve/core'
import type { FileLock, Sys } from '@varve/sys'
import { isThere, listNames, readSmallFile, unlinkIfAny, writeFully } from './files.ts'
import { isOwnerName, type Layout, type OwnerID } from './layout.ts'

/** `+` or `-`, 64 hex digits, a newline. */
const SLOT_BYTES = 66
/** A process that holds a million layers has lost its way. */
const HOLDS_LIMIT = SLOT_BYTES * 1_000_000

/** The list of holds, and what SQLite leaves beside a lock file where there is no FFI. */
const BESIDE = /(?:\.holds|-journal)$/

/**
 * One opened store, as others see it: a file that it keeps locked while it lives, whose name is in
 * the names of all that it begins, and beside it the list of what it holds.
 *
 * The list has slots of one size, used again and again, so that it stays as small as the most that
 * was ever held at once.
 */
export class Owner {
  readonly id: OwnerID
  readonly #path: string
  readonly #lock: FileLock
  readonly #slots = new Map<string, number>()
  readonly #free: number[] = []
  #used = 0
  #fd: number | undefined
  #serial = 0

  private constructor(id: OwnerID, path: string, lock: FileLock) {
    this.id = id
    this.#path = path
    this.#lock = lock
  }

  /** Call it under the exclusive lock: a file that is there but not locked yet looks dead. */
  static async register(sys: Sys, layout: Layout): Promise<Owner> {
    const id = randomBytes(16).toString('hex')
    const path = join(layout.owners, id)
    const lock = await sys.lockFile(path, { mode: 'exclusive' })
    return new Owner(id, path, lock)
  }

  /** Tells apart what this owner begins. */
  nextSerial(): string {
    return (++this.#serial).toString(36)
  }

  hold(key: Digest): void {
    const hex = hexOf(key)
    if (this.#slots.has(hex)) return
    this.#fd ??= openSync(holdsPath(this.#path), 'w', 0o600)
    const slot = this.#free.at(-1) ?? this.#used
    writeFully(this.#fd, Buffer.from(`+${hex}\n`), slot * SLOT_BYTES)
    if (slot === this.#used) this.#used++
    else this.#free.pop()
    this.#slots.set(hex, slot)
  }

  unhold(key: Digest): void {
    const hex = hexOf(key)
    const slot = this.#slots.get(hex)
    if (slot === undefined || this.#fd === undefined) return
    writeFully(this.#fd, Buffer.from('-'), slot * SLOT_BYTES)
    this.#slots.delete(hex)
    this.#free.push(slot)
  }

  /**
   * Goes without a trace. No lock is needed: only this owner could be taken for dead by it. Its own
   * is given up first, as Windows deletes no file that is open.
   */
  leave(): void {
    try {
      if (this.#fd !== undefined) closeSync(this.#fd)
    } finally {
      this.#fd = undefined
      this.#lock[Symbol.dispose]()
    }
    forget(this.#path)
  }
}

/** Who lives; asked anew each time. */
export class Owners {
  readonly #sys: Sys
  readonly #directory: string

  constructor(sys: Sys, layout: Layout) {
    this.#sys = sys
    this.#directory = layout.owners
  }

  /** Every living owner but `self`. */
  others(self: OwnerID | undefined): OwnerID[] {
    return this.#names(self).filter((name) => {
      // Shared, so that two who ask at once do not take each other for the owner.
      using lock = this.#sys.tryLockFile(join(this.#directory, name), 'shared')
      return lock === undefined
    })
  }

  /** Removes the files of the dead. Call it under the exclusive lock. */
  sweep(self: OwnerID): void {
    for (const name of this.#names(self)) {
      const path = join(this.#directory, name)
      const lock = this.#sys.tryLockFile(path, 'exclusive')
      lock?.[Symbol.dispose]()
      // Nobody takes a dead one's name.
      if (lock) forget(path)
    }
    // What is left of one that died while it, or somebody before us, swept.
    for (const name of listNames(this.#directory)) {
      const owner = name.replace(BESIDE, '')
      if (owner === name || isThere(join(this.#directory, owner))) continue
      unlinkIfAny(join(this.#directory, name))
    }
  }

  /** Whether one of these owners holds something. */
  anyHolds(owners: readonly OwnerID[], key: Digest): boolean {
    const wanted = Buffer.from(`+${hexOf(key)}\n`)
    return owners.some((owner) => {
      const list = readSmallFile(holdsPath(join(this.#directory, owner)), HOLDS_LIMIT)
      for (let at = 0; list && at + SLOT_BYTES <= list.length; at += SLOT_BYTES) {
        if (wanted.equals(list.subarray(at, at + SLOT_BYTES))) return true
      }
      return false
    })
  }

  #names(self: OwnerID | undefined): OwnerID[] {
    return listNames(this.#directory).filter((name) => isOwnerName(name) && name !== self)
  }
}

function holdsPath(owner: string): string {
  return `${owner}.holds`
}

/** The owner's file last: as long as it is there, somebody will come back to sweep. */
function forget(path: string): void {
  unlinkIfAny(holdsPath(path))
  unlinkIfAny(`${path}-journal`)
  unlinkIfAny(path)
}
