import { join } from 'node:path'
import { type CacheID, type KeptMount, LayerError } from '@varve/core'
import type { FileLock, NativeCalls, Sys } from '@varve/sys'
import { readKept, writeKept } from '@varve/trees'
import { lockLayer } from './layer-lock.ts'
import { isMountedAt, makePlace, mountedIn, PLACES, type Place, removePlace } from './places.ts'
import { whenProcessEnds } from './process-end.ts'
import { bindMount, unmount } from './single-mount.ts'

/** Mounts something on a directory. */
export type MountOn = (target: string) => void

/** Where layers are. */
export interface MountHome {
  /** Without symbolic links, as the kernel shows it in its table of mounts. */
  readonly root: string
  /** The directory of a layer. */
  layer(id: CacheID): string
}

interface Held {
  readonly id: CacheID
  readonly place: Place
  readonly path: string
  readonly users: FileLock
  count: number
}

/**
 * Counts who uses a layer's mounts: in this process by numbers, among processes by locks. Each
 * process that uses a mount holds its lock shared; who can take it alone is the last one, or finds
 * that a killed process has left the mount behind. A second lock, `lock`, is held while any of this
 * changes.
 *
 * A mount that shall outlive processes is kept by a number in a file, `*.kept`. It is written after
 * the mount was made and taken back before it is unmounted, so a process killed in between leaves
 * what nobody keeps, which is swept as any other.
 *
 * Who uses a layer in one mount namespace keeps it from being mounted in another: what is mounted
 * there is not seen, and two mounts that write to one directory do harm.
 */
export class MountPoints {
  readonly #home: MountHome
  readonly #sys: Sys
  readonly #native: NativeCalls
  readonly #held = new Map<string, Held>()
  #processEnd: Disposable | undefined
  /** Known since the first lock was taken. */
  #boot: string | undefined

  constructor(home: MountHome, sys: Sys, native: NativeCalls) {
    this.#home = home
    this.#sys = sys
    this.#native = native
  }

  /** Alone with a layer: nobody mounts, unmounts or removes it meanwhile. */
  async lock(id: CacheID, signal?: AbortSignal): Promise<FileLock> {
    await this.#learnBoot()
    return await lockLayer(this.#sys, id, join(this.#home.layer(id), 'lock'), signal)
  }

  /** The same, but undefined at once if somebody is at work on the layer. */
  async tryLock(id: CacheID): Promise<FileLock | undefined> {
    await this.#learnBoot()
    return this.#sys.tryLockFile(join(this.#home.layer(id), 'lock'), 'exclusive')
  }

  /** One more user of a mount, which is made if it is not there; the layer must be locked. */
  use(id: CacheID, place: Place, mountOn: MountOn): string {
    const key = `${id}/${place}`
    const held = this.#held.get(key)
    if (held) {
      held.count++
      return held.path
    }
    const path = join(this.#home.layer(id), place)
    if (!this.isMounted(id, place)) this.#refuseElsewhere(id, path)
    const users = this.#sys.tryLockFile(`${path}.lock`, 'shared')
    if (!users) throw new Error(`somebody holds ${path}.lock without holding the layer's lock`)
    // First, so that a signal that comes meanwhile waits for the end of this call.
    this.#processEnd ??= whenProcessEnds(() => this.#leaveAll())
    try {
      // One that a killed process left, or another one uses, is as good as a new one.
      if (!this.isMounted(id, place)) {
        // Of one that was unmounted behind our back.
        this.#writeKept(id, place, 0)
        makePlace(path)
        mountOn(path)
      }
    } catch (error) {
      users[Symbol.dispose]()
      this.#forgetProcessEnd()
      throw error
    }
    this.#held.set(key, { id, place, path, users, count: 1 })
    return path
  }

  /** Whether this process uses a mount. */
  uses(id: CacheID, place: Place): boolean {
    return this.#held.has(`${id}/${place}`)
  }

  /** One user less; the last one of all unmounts. The layer must be locked. */
  leave(id: CacheID, place: Place): void {
    const key = `${id}/${place}`
    const held = this.#held.get(key)
    if (!held || --held.count > 0) return
    this.#drop(key, held)
  }

  /** Keeps a mount that this process uses, once more. The layer must be locked. */
  keep(id: CacheID, place: Place): void {
    this.#writeKept(id, place, this.kept(id, place) + 1)
  }

  /**
   * Keeps a mount once less, or no more at all; if that was the last, and nobody uses it, it is
   * unmounted. The layer must be locked.
   *
   * @returns how often it is still kept; undefined if it was not
   */
  unkeep(id: CacheID, place: Place, all: boolean): number | undefined {
    const kept = this.kept(id, place)
    if (kept === 0) return undefined
    const left = all ? 0 : kept - 1
    this.#writeKept(id, place, left)
    if (left === 0) this.sweep(id, place)
    return left
  }

  /** How often a mount is kept; 0 if it is not there, whoever unmounted it. */
  kept(id: CacheID, place: Place): number {
    const count = readKept(this.#keptFile(id, place), this.#boot ?? '')
    return count > 0 && this.isMounted(id, place) ? count : 0
  }

  /** Every mount of a layer that is kept. */
  async allKept(id: CacheID): Promise<KeptMount[]> {
    await this.#learnBoot()
    return PLACES.map((place) => ({
      path: join(this.#home.layer(id), place),
      readOnly: place === 'view',
      count: this.kept(id, place),
    })).filter(({ count }) => count > 0)
  }

  /**
   * Unmounts what nobody uses and nobody keeps. The layer must be locked.
   *
   * @returns `used` or `kept` if somebody does
   */
  sweep(id: CacheID, place: Place): 'none' | 'swept' | 'used' | 'kept' {
    const path = join(this.#home.layer(id), place)
    using alone = this.#sys.tryLockFile(`${path}.lock`, 'exclusive')
    if (!alone) return 'used'
    if (this.kept(id, place) > 0) return 'kept'
    this.#writeKept(id, place, 0)
    let swept = false
    // Once for each time that something was mounted over it.
    while (this.isMounted(id, place)) {
      unmount(this.#native, path)
      swept = true
    }
    removePlace(path)
    return swept ? 'swept' : 'none'
  }

  /** Whether something is mounted at a layer's place. */
  isMounted(id: CacheID, place: Place): boolean {
    return isMountedAt(this.#native, this.#home.layer(id), place)
  }

  /** Layers that this process sees something mounted in at one of their places. */
  mounted(): Promise<readonly (readonly [id: CacheID, place: Place])[]> {
    return mountedIn(this.#home.root)
  }

  /** Makes a mount of what is at a path, writable or not. */
  bind(from: string, target: string, readOnly: boolean): void {
    bindMount(this.#native, from, target, readOnly)
  }

  /** Unmounts whatever only this process uses. */
  async close(): Promise<void> {
    for (const [key, held] of [...this.#held]) {
      using _lock = await this.lock(held.id)
      if (this.#held.get(key) === held) this.#drop(key, held)
    }
  }

  #keptFile(id: CacheID, place: Place): string {
    return join(this.#home.layer(id), `${place}.kept`)
  }

  #writeKept(id: CacheID, place: Place, count: number): void {
    writeKept(this.#keptFile(id, place), this.#boot ?? '', count)
  }

  async #learnBoot(): Promise<void> {
    this.#boot ??= (await this.#sys.bootId()) ?? 'unknown'
  }

  /** Somebody uses it, and it is not here: it is where this process does not see it. */
  #refuseElsewhere(id: CacheID, path: string): void {
    using alone = this.#sys.tryLockFile(`${path}.lock`, 'exclusive')
    if (alone) return
    throw new LayerError(
      'ERR_MOUNT_IN_USE',
      `Cannot mount layer ${id}: it is mounted in another mount namespace`,
      {
        data: { id, path },
        hint: 'Work on it there, or end what uses it there: for example another varve unshare',
      },
    )
  }

  /** This process does not use it any more. The layer must be locked. */
  #drop(key: string, held: Held): void {
    this.#held.delete(key)
    held.users[Symbol.dispose]()
    try {
      this.sweep(held.id, held.place)
    } finally {
      this.#forgetProcessEnd()
    }
  }

  #forgetProcessEnd(): void {
    if (this.#held.size > 0) return
    this.#processEnd?.[Symbol.dispose]()
    this.#processEnd = undefined
  }

  /** The process ends, and there is no time to wait for anybody. */
  #leaveAll(): void {
    for (const [key, held] of [...this.#held]) {
      using lock = this.#sys.tryLockFile(join(this.#home.layer(held.id), 'lock'), 'exclusive')
      // Otherwise the next to open the driver finds it.
      if (lock) this.#drop(key, held)
    }
  }
}
