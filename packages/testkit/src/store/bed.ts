import assert from 'node:assert/strict'
import {
  type ByteSource,
  type CacheID,
  type ChainID,
  collect,
  type Damage,
  type Driver,
  type Layer,
  type LayerStore,
  type MetadataStore,
  type OpenStoreOptions,
  openStore,
  type RegisterOptions,
  type RWLayer,
} from '@varve/core'
import { intercept } from '../broken/replace.ts'
import { allOf } from '../expect.ts'
import { type TarEntry, tarOf } from '../tar/build.ts'

/** One place where a store is kept, empty at first, and what can befall it. */
export interface StoreBed extends AsyncDisposable {
  /** What one more instance on it is made of; the store that is opened on it closes it. */
  parts(): Promise<OpenStoreOptions>
  /** Ends an instance's metadata as SIGKILL ends a process. Without it those cases are left out. */
  crash?(metadata: MetadataStore): Promise<void>
  /** Makes the metadata of a layer or mount unusable. Without it those cases are left out. */
  damage?(kind: Damage['kind'], subject: string): Promise<void>
  /** Changes a driver layer's files. Without it those cases are left out. */
  alter?(driver: Driver, id: CacheID, change: (path: string) => Promise<void>): Promise<void>
  /** Whether several stores may be open at once. Default true. */
  readonly shared?: boolean
}

/** One rule of the store. */
export interface StoreCase {
  readonly name: string
  /** What the bed must be able to do. */
  readonly needs?: 'crash' | 'damage' | 'alter' | 'shared'
  /** Leave it out for drivers that keep the tar itself. */
  readonly needsCodec?: boolean
  /** Leave it out for drivers without this call. */
  readonly needsCall?: 'reset' | 'unmount' | 'replace'
  readonly run: (kit: StoreKit) => Promise<void>
}

/** A store that a case opened, and what it is made of. */
export interface OpenedStore {
  readonly store: LayerStore
  readonly parts: OpenStoreOptions
}

type Entries = readonly TarEntry[]

/** A bed and the short forms that cases are written in. */
export class StoreKit {
  readonly bed: StoreBed
  readonly #open: LayerStore[] = []

  constructor(bed: StoreBed) {
    this.bed = bed
  }

  /** @param before called ahead of every call to the driver (`driver.x`) and metadata */
  async opened(before?: (call: string) => unknown): Promise<OpenedStore> {
    const parts = await this.bed.parts()
    const store = await openStore(
      before
        ? {
            ...parts,
            driver: intercept(parts.driver, (name) => before(`driver.${name}`)),
            metadata: intercept(parts.metadata, (name) => before(`metadata.${name}`)),
          }
        : parts,
    )
    this.#open.push(store)
    return { store, parts }
  }

  async open(): Promise<LayerStore> {
    return (await this.opened()).store
  }

  async close(store: LayerStore): Promise<void> {
    this.#open.splice(this.#open.indexOf(store), 1)
    await store[Symbol.asyncDispose]()
  }

  async reopen(store: LayerStore): Promise<LayerStore> {
    await this.close(store)
    return await this.open()
  }

  /** Ends a store as SIGKILL ends its process. */
  async crash({ store, parts }: OpenedStore): Promise<void> {
    this.#open.splice(this.#open.indexOf(store), 1)
    await this.bed.crash?.(parts.metadata)
  }

  async end(): Promise<void> {
    for (const store of this.#open.splice(0).reverse()) await store[Symbol.asyncDispose]()
  }

  /** Asserts that the driver holds as many layers as the metadata knows, and nothing is wrong. */
  async isClean(store: LayerStore, driverLayers: number): Promise<void> {
    assert.equal((await allOf(store.driver.list())).length, driverLayers, 'driver layers')
    const problems = (await allOf(store.check({ full: true }))).map(({ message }) => message)
    assert.deepEqual(problems, [])
  }
}

/** Registers a layer of these entries. */
export async function add(
  store: LayerStore,
  entries: Entries | ByteSource,
  parent?: ChainID,
  options: RegisterOptions = {},
): Promise<Layer> {
  const isEntries =
    Array.isArray(entries) && entries.some((entry) => !(entry instanceof Uint8Array))
  const tar = isEntries ? [tarOf(entries as Entries)] : (entries as ByteSource)
  return await store.register(tar, parent === undefined ? options : { ...options, parent })
}

/** All bytes of a stream. */
export async function bytes(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return await collect(stream as AsyncIterable<Uint8Array>, 2 ** 28)
}

/** A read-write layer's changes, each as a line. */
export async function told(rw: RWLayer): Promise<string[]> {
  return (await allOf(rw.changes())).map(({ kind, path }) => `${kind} ${path}`)
}

/** Changes a read-write layer through a mount. */
export async function write(rw: RWLayer, fn: (path: string) => Promise<void>): Promise<void> {
  await using mount = await rw.mount()
  await fn(mount.path)
}

/** ChainIDs of all layers. */
export async function chainIDs(store: LayerStore): Promise<ChainID[]> {
  return (await allOf(store.layers())).map(({ chainID }) => chainID).sort()
}
