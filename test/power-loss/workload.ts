/**
 * Everything that a store does, in an order that a seed decides, with a line in a ledger before
 * and after each step.
 *
 * @module
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ChainID, chainIDOf, chainIDOfStack, type DiffID, digestOf } from '@varve/core'
import type { Sys } from '@varve/sys'
import { type Entry, imageKey, layerKey, rwKey, tagKey } from './ledger.ts'
import { CHANGING, makeImage, makeLayer } from './made.ts'
import { type Random, randomFrom } from './random.ts'
import { openStack, type Stack } from './stack.ts'
import { readTree, type Tree } from './tree.ts'

/** What a recording leaves for the judge: the tree of each driver layer, by its id. */
export type Trees = Readonly<Record<string, Tree>>

/** Which steps there are; each is taken at least once. */
const STEPS = [
  'register',
  'registerChild',
  'createRW',
  'changeAndCommit',
  'registerDeferred',
  'registerChild',
  'registerDeferredChild',
  'sync',
  'load',
  'createRW',
  'registerDeferred',
  'registerNone',
  'tag',
  'reopen',
  'load',
  'release',
  'releaseRW',
  'removeImage',
  'gc',
  'registerDeferredStack',
  'reopen',
  'prune',
  'registerChild',
] as const

type Step = (typeof STEPS)[number]

/** Runs the workload on a store in `root`, which is made. */
export async function runWorkload(
  root: string,
  sys: Sys,
  seed: number,
  write: (entry: Entry) => void,
): Promise<Trees> {
  const workload = new Workload(root, sys, randomFrom(seed), write)
  await workload.open()
  try {
    for (const step of STEPS) await workload[step]()
    for (let i = 0; i < STEPS.length; i++) {
      await workload[STEPS[workload.random(STEPS.length)] as Step]()
    }
    return workload.trees
  } finally {
    await workload.close()
  }
}

class Workload {
  readonly random: Random
  readonly trees: Record<string, Tree> = {}
  readonly #root: string
  readonly #sys: Sys
  readonly #write: (entry: Entry) => void
  /** Tag → image. */
  readonly #tags = new Map<string, { readonly id: string; readonly chains: readonly ChainID[] }>()
  /** Layers published and not on stable storage. */
  #unsafe = new Set<ChainID>()
  /**
   * Layers of removed images that something still stood on. If that was not safe and is lost, they
   * go too: a removal that is finished after a restart takes what nobody needs then.
   */
  readonly #unclaimed = new Set<ChainID>()
  #stack: Stack | undefined
  #made = 0

  constructor(root: string, sys: Sys, random: Random, write: (entry: Entry) => void) {
    this.#root = root
    this.#sys = sys
    this.random = random
    this.#write = write
  }

  async open(): Promise<void> {
    this.#stack = await openStack(this.#root, this.#sys)
  }

  async close(): Promise<void> {
    await this.#stack?.[Symbol.asyncDispose]()
    this.#stack = undefined
  }

  async reopen(): Promise<void> {
    await this.close()
    await this.open()
  }

  async register(): Promise<void> {
    await this.#register('full', undefined)
  }

  async registerChild(): Promise<void> {
    await this.#register('full', await this.#anyLayer())
  }

  async registerDeferred(): Promise<void> {
    await this.#register('deferred', undefined)
  }

  async registerDeferredChild(): Promise<void> {
    await this.#register('deferred', await this.#anyLayer())
  }

  /** Nothing between them is synced, unless somebody else does. */
  async registerDeferredStack(): Promise<void> {
    const base = await this.#register('deferred', await this.#anyLayer())
    await this.#register('none', await this.#register('deferred', base))
  }

  async registerNone(): Promise<void> {
    await this.#register('none', await this.#anyLayer())
  }

  /** A layer that is not safe yet may be lost, whatever was acknowledged of it; after this, not. */
  async sync(): Promise<void> {
    const safe = [...this.#unsafe]
    await this.#store.sync()
    this.#unsafe = new Set()
    this.#write({ must: safe.map(layerKey) })
  }

  async createRW(): Promise<void> {
    const name = `rw-${++this.#made}`
    const parent = await this.#anyLayer()
    this.#write({ may: [rwKey(name)] })
    await using rw = await this.#store.createRW(name, {
      ...(parent ? { parent } : {}),
      init: (path) => writeFileSync(join(path, 'hosts'), `127.0.0.1 ${name}\n`),
    })
    this.#write({ must: [rwKey(name), ...this.#beneath(parent)] })
    await this.#note(rw.mountID)
    if (rw.initID) await this.#note(rw.initID)
  }

  /** What is written into a read-write layer is its user's to sync; what is committed is safe. */
  async changeAndCommit(): Promise<void> {
    const [record] = await this.#rwLayers()
    if (!record) return
    await using rw = await this.#store.getRW(record.name)
    {
      await using mount = await rw.mount()
      for (const name of CHANGING) rmSync(join(mount.path, name), { recursive: true, force: true })
      writeFileSync(join(mount.path, 'scratch'), `${++this.#made}\n`.repeat(5000))
    }
    const tar = Buffer.concat(await Array.fromAsync(rw.tar()))
    const id = chainIDOf(rw.parent, digestOf(tar) as DiffID)
    this.#write({ may: [layerKey(id)] })
    await using layer = await rw.commit()
    this.#write({ must: [layerKey(id), ...this.#beneath(rw.parent)] })
    await this.#note(layer.cacheID)
  }

  async load(): Promise<void> {
    const layers = Array.from({ length: 2 + this.random(2) }, () => makeLayer(this.random))
    const tag = `made:${++this.#made}`
    const { id, archive, diffIDs } = makeImage(layers, tag)
    const chains = diffIDs.map((_, i) => chainIDOfStack(diffIDs.slice(0, i + 1)))
    const keys = [imageKey(id), tagKey(tag, id), ...chains.map(layerKey)]
    this.#write({ may: keys })
    await this.#images.load([archive], { tags: [tag], keepBlobs: this.random(2) === 0 })
    this.#write({ must: keys })
    this.#tags.set(tag, { id, chains })
    for await (const layer of this.#store.layers()) {
      if (chains.includes(layer.chainID)) await this.#note(layer.cacheID)
    }
  }

  async tag(): Promise<void> {
    const [from] = this.#tags
    if (!from) return
    const [, image] = from
    const tag = `other:${++this.#made}`
    this.#write({ may: [tagKey(tag, image.id)] })
    await this.#images.tag(image.id, tag)
    this.#write({ must: [tagKey(tag, image.id)] })
    this.#tags.set(tag, image)
  }

  async removeImage(): Promise<void> {
    const [tag, image] = [...this.#tags][this.random(this.#tags.size || 1)] ?? []
    if (!tag || !image) return
    this.#tags.delete(tag)
    const mine = tagKey(tag, image.id)
    const last = ![...this.#tags.values()].includes(image)
    if (last) for (const id of image.chains) this.#unclaimed.add(id)
    await this.#removing([mine, ...(last ? [imageKey(image.id)] : [])], () =>
      this.#images.remove(tag),
    )
  }

  async release(): Promise<void> {
    const id = await this.#anyLayer()
    if (!id) return
    const layer = await this.#store.get(id)
    await this.#removing([], () => this.#store.release(layer))
  }

  async releaseRW(): Promise<void> {
    const [record] = await this.#rwLayers()
    if (!record) return
    const rw = await this.#store.getRW(record.name)
    await this.#removing([rwKey(record.name)], () => this.#store.releaseRW(rw))
  }

  async gc(): Promise<void> {
    const keep = await this.#anyLayer()
    await this.#removing([], () => this.#store.gc({ keep: keep ? [keep] : [] }))
  }

  async prune(): Promise<void> {
    await this.#removing([], () => this.#images.prune())
  }

  async #register(
    durability: 'full' | 'deferred' | 'none',
    parent: ChainID | undefined,
  ): Promise<ChainID> {
    const tar = makeLayer(this.random)
    const id = chainIDOf(parent, digestOf(tar) as DiffID)
    this.#write({ may: [layerKey(id)] })
    await using layer = await this.#store.register([tar], {
      durability,
      ...(parent ? { parent } : {}),
    })
    if (durability === 'full') this.#write({ must: [layerKey(id), ...this.#beneath(parent)] })
    else this.#unsafe.add(id)
    await this.#note(layer.cacheID)
    return id
  }

  /** What is safe needs what it stands on. */
  #beneath(parent: ChainID | undefined): string[] {
    return parent ? [layerKey(parent)] : []
  }

  /** Any layer may go by a removal, as long as it is under way; then those that stay are seen. */
  async #removing(named: readonly string[], remove: () => Promise<unknown>): Promise<void> {
    const before = await this.#layerIDs()
    const safe = before.filter((id) => !this.#unsafe.has(id) && !this.#unclaimed.has(id))
    this.#write({ may: [...named, ...before.map(layerKey)] })
    await remove()
    const after = new Set(await this.#layerIDs())
    this.#write({
      must: safe.filter((id) => after.has(id)).map(layerKey),
      gone: [...named, ...before.filter((id) => !after.has(id)).map(layerKey)],
    })
    for (const id of before) if (!after.has(id)) this.#unsafe.delete(id)
  }

  async #layerIDs(): Promise<ChainID[]> {
    const layers = await Array.fromAsync(this.#store.layers())
    return layers.map((layer) => layer.chainID).sort()
  }

  async #anyLayer(): Promise<ChainID | undefined> {
    const ids = await this.#layerIDs()
    return ids[this.random(ids.length || 1)]
  }

  async #rwLayers() {
    const all = await Array.fromAsync(this.#store.rwLayers())
    return all.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Remembers how a driver layer looks that was acknowledged. */
  async #note(id: string): Promise<void> {
    await using mount = await this.#store.driver.mount(id as never)
    this.trees[id] ??= readTree(mount.path)
  }

  get #store() {
    if (!this.#stack) throw new Error('the store is not open')
    return this.#stack.store
  }

  get #images() {
    if (!this.#stack) throw new Error('the store is not open')
    return this.#stack.images
  }
}
