import type {
  CacheID,
  ChainID,
  Damage,
  Digest,
  Durability,
  LayerRecord,
  MountRecord,
  Pending,
} from '@varve/core'
import { OwnedLock } from './rw-lock.ts'

/** A layer as the disk has it. */
export interface StoredLayer {
  readonly record: LayerRecord
  readonly tarSplit: readonly Uint8Array[] | undefined
  /** Whether it is sure to survive a power loss. */
  safe: boolean
  readonly durability: Durability
  /** In which life of the machine it was published. */
  readonly boot: number
  damage?: string
}

/** A read-write layer as the disk has it. */
export interface StoredMount {
  readonly record: MountRecord
  damage?: string
}

/** Something begun, as the disk has it. */
export interface StoredIntent {
  readonly owner: number
  kind: Pending['kind']
  readonly cacheIDs: readonly CacheID[]
  subject: string
}

/**
 * The storage that several {@link memoryMetadata} instances share, as processes share a disk; with
 * the accidents that befall a disk.
 */
export interface MemoryDisk {
  /** Makes a layer's or mount's metadata unreadable. */
  damage(kind: Damage['kind'], subject: string, reason?: string): void
  /** The machine restarts: every instance is as dead as after `crash`. */
  reboot(): void
  /** What was moved out of the way so far. */
  readonly setAside: readonly Pick<Damage, 'kind' | 'subject'>[]
}

/** The disk's insides; only the memory metadata store looks at them. */
export class DiskState implements MemoryDisk {
  readonly layers: Map<ChainID, StoredLayer> = new Map()
  readonly mounts: Map<string, StoredMount> = new Map()
  readonly intents: Map<number, StoredIntent> = new Map()
  readonly holds: Map<number, Set<Digest>> = new Map()
  readonly living: Set<number> = new Set()
  readonly lock: OwnedLock = new OwnedLock()
  readonly setAside: Pick<Damage, 'kind' | 'subject'>[] = []
  readonly mountsAside: MountRecord[] = []
  boot = 1
  revision = 0
  #lastID = 0

  newID(): number {
    return ++this.#lastID
  }

  damage(kind: Damage['kind'], subject: string, reason = 'it cannot be parsed'): void {
    const stored = kind === 'layer' ? this.layers.get(subject as ChainID) : this.mounts.get(subject)
    if (!stored) throw new TypeError(`no ${kind} ${subject} to damage`)
    stored.damage = reason
    this.revision++
  }

  reboot(): void {
    for (const owner of [...this.living]) this.bury(owner)
    this.boot++
  }

  /** Forgets what belongs to a process and nothing else: its locks and holds, not its intents. */
  bury(owner: number): void {
    this.living.delete(owner)
    this.holds.delete(owner)
    this.lock.drop(owner)
  }
}

/**
 * An empty disk for {@link memoryMetadata}.
 *
 * @example
 * ```ts
 * import { memoryDisk, memoryMetadata } from '@varve/testkit'
 *
 * const disk = memoryDisk()
 * await using one = memoryMetadata(disk)
 * await using other = memoryMetadata(disk)
 * console.assert((await one.revision()) === (await other.revision()))
 * ```
 */
export function memoryDisk(): MemoryDisk {
  return new DiskState()
}
