/** The layers and mounts that all fault tests play with: the same ids in every process. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  asCacheID,
  type CacheID,
  type ChainID,
  chainIDOf,
  cleanUp,
  type Durability,
  digestOf,
  type LayerRecord,
  type MetadataStore,
  type MountRecord,
} from '@varve/core'

function cacheID(seed: string): CacheID {
  return asCacheID(digestOf(`cache ${seed}`).slice('sha256:'.length))
}

function layer(name: string, parent?: LayerRecord): LayerRecord {
  const diffID = digestOf(name) as string as LayerRecord['diffID']
  return {
    chainID: chainIDOf(parent?.chainID, diffID),
    diffID,
    cacheID: cacheID(name),
    diffSize: name.length,
    ...(parent ? { parent: parent.chainID } : {}),
    descriptor: { mediaType: 'application/x-tar', digest: diffID, size: 1 },
  }
}

const base = layer('base')
const middle = layer('middle', base)
const top = layer('top', middle)
const fresh = layer('fresh', base)

export const LAYERS = { base, middle, top, fresh } as const
export type LayerName = keyof typeof LAYERS

export const MOUNT: MountRecord = {
  name: 'mount',
  mountID: cacheID('mount'),
  initID: asCacheID(`${cacheID('mount')}-init`),
  parent: base.chainID,
}

/** Of the layer `fresh` before it was damaged. */
export const OLD_FRESH: CacheID = cacheID('old fresh')

/** A record of some chunks that do not compress, so that it takes several writes. */
export function* recordOf(name: string): Generator<Uint8Array> {
  for (let i = 0; i < 2000; i++) yield Buffer.from(`${digestOf(`${name} ${i}`)}\n`)
}

/** Stands for a driver: one file for each driver layer. It is never disturbed. */
export class ToyDriver {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = join(dir, 'driver')
    mkdirSync(this.#dir, { recursive: true })
  }

  create(id: CacheID): void {
    writeFileSync(join(this.#dir, id), '')
  }

  remove(id: CacheID): void {
    rmSync(join(this.#dir, id), { force: true })
  }

  list(): string[] {
    return readdirSync(this.#dir).sort()
  }
}

/** Registers a layer as the layer store does. */
export async function register(
  metadata: MetadataStore,
  driver: ToyDriver,
  name: LayerName,
  durability: Durability = 'full',
): Promise<void> {
  const record = LAYERS[name]
  const tx = await metadata.begin([record.cacheID])
  try {
    driver.create(record.cacheID)
    const sink = tx.tarSplit()
    for (const chunk of recordOf('draft')) await sink.write(chunk)
    await sink.close()
    await tx.rewriteTarSplit(async function* () {
      yield* recordOf(name)
    })
    await tx.stageLayer(record, durability)
    await metadata.lock('exclusive', async () => {
      await tx.publish()
      await metadata.hold(record.chainID)
    })
    await tx[Symbol.asyncDispose]()
  } catch (error) {
    throw await cleanUp(
      error,
      async () => {
        if (!(await isListed(metadata, record))) driver.remove(record.cacheID)
      },
      () => tx[Symbol.asyncDispose](),
    )
  }
}

/** Creates the read-write layer as the layer store does. */
export async function createMount(metadata: MetadataStore, driver: ToyDriver): Promise<void> {
  const ids = [MOUNT.mountID, MOUNT.initID as CacheID]
  const tx = await metadata.begin(ids)
  try {
    for (const id of ids) driver.create(id)
    await tx.stageMount(MOUNT)
    await metadata.lock('exclusive', () => tx.publish())
    await tx[Symbol.asyncDispose]()
  } catch (error) {
    throw await cleanUp(
      error,
      async () => {
        if (!(await metadata.mount(MOUNT.name))) for (const id of ids) driver.remove(id)
      },
      () => tx[Symbol.asyncDispose](),
    )
  }
}

/** Finishes what dead processes left, as the layer store does when it is opened. */
export async function recover(metadata: MetadataStore, driver: ToyDriver): Promise<number> {
  return await metadata.lock('exclusive', async () => {
    const left = await metadata.interrupted()
    for (const pending of left) {
      for (const id of pending.cacheIDs) driver.remove(id)
      await pending.finish()
    }
    return left.length
  })
}

export function idsOf(...names: readonly LayerName[]): ChainID[] {
  return names.map((name) => LAYERS[name].chainID)
}

async function isListed(metadata: MetadataStore, record: LayerRecord): Promise<boolean> {
  try {
    return (await metadata.layer(record.chainID))?.cacheID === record.cacheID
  } catch {
    return false
  }
}
