import {
  type CacheID,
  type CallOptions,
  type ChainID,
  checkAborted,
  type Damage,
  type Digest,
  LayerError,
  type LayerRecord,
  type MetadataStore,
  type MountRecord,
  type Pending,
  type Removal,
  type Transaction,
} from '@varve/core'
import { DiskState, type MemoryDisk, memoryDisk, type StoredIntent } from './disk.ts'
import { beginTransaction } from './transaction.ts'

/** A {@link MetadataStore} that can also die. */
export interface MemoryMetadata extends MetadataStore {
  /**
   * Ends this instance as SIGKILL ends a process: locks and holds are gone, intents stay behind,
   * and every later call fails with `ERR_CLOSED`.
   */
  crash(): void
}

/**
 * The whole metadata contract in memory: the reference that other implementations are compared
 * with, and what the store's own tests run on. Every instance counts as one process.
 *
 * @param disk what it shares with other instances; by default nothing
 *
 * @example
 * ```ts
 * import { newCacheID } from '@varve/core'
 * import { memoryDisk, memoryMetadata } from '@varve/testkit'
 *
 * const disk = memoryDisk()
 * const killed = memoryMetadata(disk)
 * const id = newCacheID()
 * await killed.begin([id])
 * killed.crash()
 *
 * await using next = memoryMetadata(disk)
 * const [left] = await next.interrupted()
 * console.assert(left?.cacheIDs[0] === id)
 * ```
 */
export function memoryMetadata(disk: MemoryDisk = memoryDisk()): MemoryMetadata {
  if (!(disk instanceof DiskState)) throw new TypeError('disk must come from memoryDisk()')
  return new Metadata(disk)
}

class Metadata implements MemoryMetadata {
  readonly #disk: DiskState
  readonly #owner: number

  constructor(disk: DiskState) {
    this.#disk = disk
    this.#owner = disk.newID()
    disk.living.add(this.#owner)
    disk.holds.set(this.#owner, new Set())
  }

  crash(): void {
    this.#disk.bury(this.#owner)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disk.bury(this.#owner)
  }

  lock<T>(
    mode: 'shared' | 'exclusive',
    fn: () => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    return this.#alive(() => this.#disk.lock.run(this.#owner, mode, fn, options.signal))
  }

  revision(): Promise<string> {
    return this.#alive((disk) => String(disk.revision))
  }

  begin(cacheIDs: readonly CacheID[], options: CallOptions = {}): Promise<Transaction> {
    return this.#alive((disk) => {
      checkAborted(options.signal, 'Cannot begin a change')
      return beginTransaction(disk, this.#owner, cacheIDs)
    })
  }

  layer(id: ChainID): Promise<LayerRecord | undefined> {
    return this.#alive((disk) => healthy(disk.layers.get(id), 'layer', id))
  }

  async *layers(): AsyncIterable<LayerRecord> {
    const all = await this.#alive((disk) => [...disk.layers.values()])
    for (const stored of all) if (!stored.damage) yield structuredClone(stored.record)
  }

  tarSplit(id: ChainID): Promise<AsyncIterable<Uint8Array> | undefined> {
    return this.#alive((disk) => {
      const chunks = disk.layers.get(id)?.tarSplit
      return chunks && copies(chunks)
    })
  }

  retire(ids: readonly ChainID[]): Promise<Removal> {
    return this.#alive((disk) => {
      const gone = ids.map((id) => {
        const stored = disk.layers.get(id)
        if (!stored) throw new LayerError('ERR_LAYER_NOT_FOUND', `Cannot remove layer ${id}`)
        return stored
      })
      for (const id of ids) disk.layers.delete(id)
      const cacheIDs = gone.map((stored) => stored.record.cacheID)
      return this.#removal('remove', cacheIDs, ids.join(' '), () => {
        for (const stored of gone) disk.layers.set(stored.record.chainID, stored)
      })
    })
  }

  mount(name: string): Promise<MountRecord | undefined> {
    return this.#alive((disk) => healthy(disk.mounts.get(name), 'mount', name))
  }

  async *mounts(): AsyncIterable<MountRecord> {
    const all = await this.#alive((disk) => [...disk.mounts.values()])
    for (const stored of all) if (!stored.damage) yield structuredClone(stored.record)
  }

  retireMount(name: string): Promise<Removal> {
    return this.#alive((disk) => {
      const stored = disk.mounts.get(name)
      if (!stored) throw new LayerError('ERR_MOUNT_NOT_FOUND', `Cannot remove ${name}`)
      disk.mounts.delete(name)
      const { mountID, initID } = stored.record
      const cacheIDs = initID === undefined ? [mountID] : [mountID, initID]
      return this.#removal('remove-mount', cacheIDs, name, () => disk.mounts.set(name, stored))
    })
  }

  hold(key: Digest): Promise<void> {
    return this.#alive((disk) => void disk.holds.get(this.#owner)?.add(key))
  }

  unhold(key: Digest): Promise<void> {
    return this.#alive((disk) => void disk.holds.get(this.#owner)?.delete(key))
  }

  heldElsewhere(key: Digest): Promise<boolean> {
    return this.#alive((disk) =>
      [...disk.holds].some(([owner, held]) => owner !== this.#owner && held.has(key)),
    )
  }

  intended(): Promise<ReadonlySet<CacheID>> {
    return this.#alive((disk) => {
      const ids = new Set<CacheID>()
      for (const intent of disk.intents.values()) {
        if (disk.living.has(intent.owner)) for (const id of intent.cacheIDs) ids.add(id)
      }
      for (const { mountID, initID } of disk.mountsAside) {
        ids.add(mountID)
        if (initID) ids.add(initID)
      }
      return ids
    })
  }

  interrupted(): Promise<readonly Pending[]> {
    return this.#alive((disk) =>
      [...disk.intents]
        .filter(([, intent]) => !disk.living.has(intent.owner))
        .map(([id, intent]) => this.#pending(id, intent)),
    )
  }

  unverified(): Promise<readonly ChainID[]> {
    return this.#alive((disk) =>
      [...disk.layers]
        .filter(([, stored]) => !stored.safe && stored.boot !== disk.boot)
        .map(([id]) => id),
    )
  }

  unsynced(): Promise<readonly ChainID[]> {
    return this.#alive((disk) =>
      [...disk.layers].filter(([, stored]) => !stored.safe).map(([id]) => id),
    )
  }

  markSynced(ids: readonly ChainID[]): Promise<void> {
    return this.#alive((disk) => {
      for (const id of ids) {
        const stored = disk.layers.get(id)
        if (stored) stored.safe = true
      }
    })
  }

  async *damaged(): AsyncIterable<Damage> {
    const found = await this.#alive((disk) => [
      ...[...disk.layers].map(([subject, { damage }]) => ({ kind: 'layer', subject, damage })),
      ...[...disk.mounts].map(([subject, { damage }]) => ({ kind: 'mount', subject, damage })),
    ])
    for (const { kind, subject, damage } of found) {
      if (damage) yield { kind: kind as Damage['kind'], subject, reason: damage }
    }
  }

  setAside(damage: Pick<Damage, 'kind' | 'subject'>): Promise<void> {
    return this.#alive((disk) => {
      const mount = damage.kind === 'mount' && disk.mounts.get(damage.subject)
      if (mount) disk.mountsAside.push(mount.record)
      const there =
        damage.kind === 'layer'
          ? disk.layers.delete(damage.subject as ChainID)
          : disk.mounts.delete(damage.subject)
      if (!there) return
      disk.setAside.push({ kind: damage.kind, subject: damage.subject })
      disk.revision++
    })
  }

  #removal(
    kind: Pending['kind'],
    cacheIDs: readonly CacheID[],
    subject: string,
    restore: () => void,
  ): Removal {
    const disk = this.#disk
    const id = disk.newID()
    disk.intents.set(id, { owner: this.#owner, kind, cacheIDs, subject })
    disk.revision++
    return {
      ...this.#pending(id, { kind, cacheIDs, subject, owner: this.#owner }),
      undo: () =>
        this.#alive(() => {
          restore()
          disk.intents.delete(id)
          disk.revision++
        }),
    }
  }

  #pending(id: number, { kind, cacheIDs, subject }: StoredIntent): Pending {
    return {
      kind,
      cacheIDs,
      subject,
      finish: () => this.#alive((disk) => void disk.intents.delete(id)),
    }
  }

  /** Runs one step on the disk, unless this process is dead. */
  async #alive<T>(step: (disk: DiskState) => T | Promise<T>): Promise<T> {
    if (!this.#disk.living.has(this.#owner)) {
      throw new LayerError('ERR_CLOSED', 'Cannot use this metadata store: it is closed')
    }
    return await step(this.#disk)
  }
}

function healthy<T>(
  stored: { readonly record: T; readonly damage?: string } | undefined,
  kind: Damage['kind'],
  subject: string,
): T | undefined {
  if (!stored) return undefined
  if (stored.damage) {
    throw new LayerError(
      'ERR_CORRUPT_METADATA',
      `Cannot read ${kind} ${subject}: ${stored.damage}`,
      { data: { kind, subject } },
    )
  }
  return structuredClone(stored.record)
}

async function* copies(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield chunk.slice()
}
