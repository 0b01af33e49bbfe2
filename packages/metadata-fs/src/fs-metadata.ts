import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  asDigest,
  asMountName,
  type CacheID,
  type CallOptions,
  type ChainID,
  type Damage,
  type Digest,
  hexOf,
  type LayerRecord,
  type MetadataStore,
  type MountRecord,
  type Pending,
  type Removal,
  type Transaction,
  wrapError,
} from '@varve/core'
import { attempting, type Context, corrupt } from './context.ts'
import { syncLayers } from './durability.ts'
import type { LockMode } from './fair-lock.ts'
import { isThere, listNames } from './files.ts'
import { chainIDOfName, isLayerName, LAYER_FILE } from './layout.ts'
import { type Owner, Owners } from './owner.ts'
import { readLayer, readMount, type Stored } from './records.ts'
import { findIntended, findInterrupted } from './recovery.ts'
import { retireLayers, retireMount } from './removal.ts'
import { setAside } from './set-aside.ts'
import { readRecordFile } from './tar-split-file.ts'
import { beginTransaction } from './transaction.ts'

/** Reading a record takes some 50 µs; after so many, other work of the process has its turn. */
const RECORDS_PER_TURN = 64

/** The contract, each method handed to the part that knows how. */
export class FsMetadata implements MetadataStore {
  readonly #ctx: Context
  readonly #owner: Owner | undefined
  readonly #owners: Owners
  readonly #assertOpen: (attempt: string) => void
  readonly #close: () => void
  /** After a failed sync nothing is known to be safe before the machine restarts. */
  #syncFailure: { readonly error: unknown } | undefined

  constructor(
    ctx: Context,
    owner: Owner | undefined,
    assertOpen: (attempt: string) => void,
    close: () => void,
  ) {
    this.#ctx = ctx
    this.#owner = owner
    this.#owners = new Owners(ctx.sys, ctx.layout)
    this.#assertOpen = assertOpen
    this.#close = close
  }

  async lock<T>(mode: LockMode, fn: () => Promise<T>, options: CallOptions = {}): Promise<T> {
    this.#assertOpen('Cannot lock the layer metadata')
    return await this.#ctx.lock.run(mode, fn, options)
  }

  revision(): Promise<string> {
    return this.#try('Cannot read the revision', () => this.#ctx.revision.read())
  }

  async begin(cacheIDs: readonly CacheID[], options: CallOptions = {}): Promise<Transaction> {
    return await beginTransaction(this.#ctx, cacheIDs, options)
  }

  layer(id: ChainID): Promise<LayerRecord | undefined> {
    const { layout } = this.#ctx
    return this.#try(`Cannot read layer ${id}`, () =>
      healthy('layer', id, join(layout.layers, hexOf(id)), readLayer(layout, hexOf(id))),
    )
  }

  async *layers(): AsyncGenerator<LayerRecord, void, undefined> {
    for await (const { stored } of this.#storedLayers()) if (stored.record) yield stored.record
  }

  tarSplit(id: ChainID): Promise<AsyncIterable<Uint8Array> | undefined> {
    const attempt = `Cannot read the tar-split record of layer ${id}`
    return this.#try(attempt, () => {
      const path = join(this.#ctx.layout.layers, hexOf(id), LAYER_FILE.tarSplit)
      return isThere(path) ? readRecordFile(path, attempt) : undefined
    })
  }

  retire(ids: readonly ChainID[]): Promise<Removal> {
    return retireLayers(this.#ctx, ids)
  }

  mount(name: string): Promise<MountRecord | undefined> {
    const { layout } = this.#ctx
    return this.#try(`Cannot read read-write layer ${name}`, () =>
      healthy('mount', name, join(layout.mounts, name), readMount(layout, asMountName(name))),
    )
  }

  async *mounts(): AsyncGenerator<MountRecord, void, undefined> {
    for await (const { stored } of this.#storedMounts()) if (stored.record) yield stored.record
  }

  async retireMount(name: string): Promise<Removal> {
    return await retireMount(this.#ctx, asMountName(name))
  }

  /** A store open for reading only holds nothing: it may not say so anywhere. */
  hold(key: Digest): Promise<void> {
    const attempt = `Cannot hold ${key}`
    return this.#try(attempt, () => {
      this.#ctx.lock.assertHeld('shared', attempt)
      this.#owner?.hold(asDigest(key))
    })
  }

  unhold(key: Digest): Promise<void> {
    return this.#try(`Cannot let go of ${key}`, () => this.#owner?.unhold(key))
  }

  heldElsewhere(key: Digest): Promise<boolean> {
    const attempt = `Cannot tell who holds ${key}`
    return this.#try(attempt, () => {
      this.#ctx.lock.assertHeld('exclusive', attempt)
      return this.#owners.anyHolds(this.#living(), key)
    })
  }

  intended(): Promise<ReadonlySet<CacheID>> {
    return this.#try('Cannot read what is under way', () =>
      findIntended(this.#ctx, isAmong(this.#living(), this.#owner)),
    )
  }

  interrupted(): Promise<readonly Pending[]> {
    const attempt = 'Cannot find what was interrupted'
    return this.#try(attempt, () => {
      this.#ctx.lock.assertHeld('exclusive', attempt)
      // Who may only read can finish nothing.
      if (!this.#owner) return []
      this.#owners.sweep(this.#owner.id)
      return findInterrupted(this.#ctx, isAmong(this.#living(), this.#owner))
    })
  }

  unverified(): Promise<readonly ChainID[]> {
    return this.#marked(true)
  }

  unsynced(): Promise<readonly ChainID[]> {
    return this.#marked(false)
  }

  async markSynced(ids: readonly ChainID[]): Promise<void> {
    const attempt = 'Cannot put layer metadata on stable storage'
    this.#ctx.writer(attempt)
    if (this.#syncFailure) throw wrapError(this.#syncFailure.error, attempt)
    try {
      await syncLayers(this.#ctx, ids)
    } catch (error) {
      this.#syncFailure = { error }
      throw wrapError(error, attempt)
    }
  }

  async *damaged(): AsyncGenerator<Damage, void, undefined> {
    for await (const { hex, stored } of this.#storedLayers()) {
      if (!stored.damage) continue
      yield { kind: 'layer', subject: chainIDOfName(hex), reason: stored.damage }
    }
    for await (const { name, stored } of this.#storedMounts()) {
      if (stored.damage) yield { kind: 'mount', subject: name, reason: stored.damage }
    }
  }

  async setAside(damage: Pick<Damage, 'kind' | 'subject'>): Promise<void> {
    await setAside(this.#ctx, damage)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await attempting('Cannot close the layer metadata', this.#close)
  }

  async #marked(ofOtherBoots: boolean): Promise<ChainID[]> {
    return await this.#try('Cannot read which layers are not safe yet', async () =>
      (await this.#ctx.marks.marked(ofOtherBoots)).map(chainIDOfName),
    )
  }

  #living(): readonly string[] {
    return this.#owners.others(this.#owner?.id)
  }

  async *#storedLayers(): AsyncGenerator<{ hex: string; stored: Stored<LayerRecord> }> {
    const { layout } = this.#ctx
    const names = await this.#try('Cannot list layers', () => listNames(layout.layers))
    for (const [at, hex] of names.filter(isLayerName).entries()) {
      if (at % RECORDS_PER_TURN === RECORDS_PER_TURN - 1) await nextTurn()
      const stored = await this.#try(`Cannot read layer ${chainIDOfName(hex)}`, () =>
        readLayer(layout, hex),
      )
      if (stored) yield { hex, stored }
    }
  }

  async *#storedMounts(): AsyncGenerator<{ name: string; stored: Stored<MountRecord> }> {
    const { layout } = this.#ctx
    const names = await this.#try('Cannot list read-write layers', () => listNames(layout.mounts))
    for (const [at, name] of names.entries()) {
      if (at % RECORDS_PER_TURN === RECORDS_PER_TURN - 1) await nextTurn()
      const stored = await this.#try(`Cannot read read-write layer ${name}`, () =>
        readMount(layout, name),
      )
      if (stored) yield { name, stored }
    }
  }

  async #try<T>(attempt: string, step: () => T | Promise<T>): Promise<T> {
    this.#assertOpen(attempt)
    return await attempting(attempt, step)
  }
}

function isAmong(others: readonly string[], self: Owner | undefined): (owner: string) => boolean {
  const living = new Set(others)
  if (self) living.add(self.id)
  return (owner) => living.has(owner)
}

function healthy<T>(
  kind: Damage['kind'],
  subject: string,
  path: string,
  stored: Stored<T> | undefined,
): T | undefined {
  if (!stored?.damage) return stored?.record
  throw corrupt(kind, subject, path, stored.damage)
}
