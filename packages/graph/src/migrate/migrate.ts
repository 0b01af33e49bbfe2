import {
  type ByteSource,
  type ChainID,
  chainIDOf,
  checkAborted,
  cleanUp,
  type Layer,
  LayerError,
} from '@varve/core'
import { configOfV1, type ImageID, parseReference, type V1Step } from '@varve/image'
import { findImage } from '../manage/find.ts'
import type { Graph, GraphImage } from '../types.ts'
import { Memo } from './memo.ts'
import type { FailedMigration, MigratedImage, MigrateOptions, MigrationReport } from './types.ts'

/**
 * Brings the images of a graph into a layer store: each layer, byte for byte where the graph has a
 * record of it, under its ChainID; each image under the digest of its configuration, which is the
 * one that Docker 1.10 gave it. The graph is only read.
 *
 * What cannot be read is reported, with all that stands on it, and the rest goes on. Images are
 * published head by head, so a run that is killed has lost at most the last of them; the next run
 * goes on from there and comes to the same ids.
 *
 * @throws LayerError `ERR_ABORTED`, `ERR_NO_SPACE`; `ERR_IMAGE_NOT_FOUND`, `ERR_AMBIGUOUS_ID`
 *   (refs)
 *
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openStore } from '@varve/core'
 * import { migrate, openGraph } from '@varve/graph'
 * import { imageRoots, openImages } from '@varve/image'
 * import { memoryDriver, memoryMetadata, tarOf } from '@varve/testkit'
 *
 * const root = await mkdtemp(join(tmpdir(), 'graph-'))
 * await using graph = await openGraph({ root: join(root, 'old'), driver: memoryDriver() })
 * await graph.create([tarOf([{ name: 'motd', data: 'hello' }])])
 *
 * const where = { root: join(root, 'new'), driver: 'memory' }
 * await using store = await openStore({
 *   driver: memoryDriver(),
 *   metadata: memoryMetadata(),
 *   retained: () => imageRoots(where),
 * })
 * await using images = await openImages({ ...where, store })
 * const { images: migrated, failed } = await migrate(graph, { store, images })
 * console.assert(failed.length === 0 && (await images.get(migrated[0]?.imageID ?? '')) !== undefined)
 * ```
 */
export async function migrate(graph: Graph, options: MigrateOptions): Promise<MigrationReport> {
  const images = await graph.map()
  const migration = new Migration(graph, options, images, await tagsByID(graph))
  for (const { kind, id, message } of await graph.problems()) {
    if (kind !== 'leftover') migration.problems.set(id, message)
  }
  const ids = options.refs
    ? await resolveAll(graph, options.refs)
    : [...migration.heads(), ...images.keys(), ...migration.problems.keys()]
  for (const id of new Set(ids)) await migration.bring(id)
  if (migration.failed.length === 0) migration.memo.forget()
  return { images: migration.done, failed: migration.failed }
}

async function resolveAll(graph: Graph, refs: readonly string[]): Promise<string[]> {
  const ids: string[] = []
  for (const ref of refs) ids.push((await findImage(graph, ref)).id)
  return ids
}

async function tagsByID(graph: Graph): Promise<ReadonlyMap<string, readonly string[]>> {
  const tags = new Map<string, string[]>()
  for (const [tag, id] of await graph.tags()) tags.set(id, [...(tags.get(id) ?? []), tag])
  return tags
}

/** An image whose layers are in the store. */
interface Brought {
  readonly steps: readonly V1Step[]
  readonly chainID: ChainID
  /** Undefined for one that was left out. */
  readonly imageID?: ImageID
}

/** What concerns the whole run, not only one image. */
const FATAL = ['ERR_ABORTED', 'ERR_NO_SPACE', 'ERR_CLOSED', 'ERR_INTERNAL'] as const

class Migration {
  readonly memo: Memo
  readonly done: MigratedImage[] = []
  readonly failed: FailedMigration[] = []
  /** What is known to be wrong with images before they are tried. */
  readonly problems = new Map<string, string>()
  readonly #graph: Graph
  readonly #options: MigrateOptions
  readonly #images: ReadonlyMap<string, GraphImage>
  readonly #parents: ReadonlySet<string | undefined>
  readonly #tags: ReadonlyMap<string, readonly string[]>
  readonly #brought = new Map<string, Brought>()
  readonly #hopeless = new Set<string>()

  constructor(
    graph: Graph,
    options: MigrateOptions,
    images: ReadonlyMap<string, GraphImage>,
    tags: ReadonlyMap<string, readonly string[]>,
  ) {
    this.#graph = graph
    this.#options = options
    this.#images = images
    this.#parents = new Set([...images.values()].map(({ parent }) => parent))
    this.#tags = tags
    this.memo = new Memo(options.memo)
  }

  /** Images that no other stands on. */
  heads(): string[] {
    return [...this.#images.keys()].filter((id) => !this.#parents.has(id))
  }

  /** Brings an image and what is beneath it, as far as it is not there yet. */
  async bring(id: string): Promise<void> {
    const missing: string[] = []
    for (let at: string | undefined = id; at !== undefined && !this.#brought.has(at); ) {
      const isKnown = this.#images.has(at) || this.problems.has(at)
      if (!isKnown || missing.includes(at) || this.#hopeless.has(at)) break
      missing.unshift(at)
      at = this.#images.get(at)?.parent
    }
    const layers: Layer[] = []
    const taken: string[] = []
    try {
      for (const one of missing) {
        const layer = await this.#takeLayer(one)
        if (!layer) continue
        layers.push(layer)
        taken.push(one)
      }
      if (taken.length > 0) await this.#options.store.sync()
      for (const one of taken) await this.#publish(one)
    } catch (error) {
      throw await cleanUp(error, ...this.#releases(layers))
    }
    const failure = await cleanUp(undefined, ...this.#releases(layers))
    if (failure !== undefined) throw failure
  }

  /** Gives layers back, the topmost first: what no image needs goes. */
  #releases(layers: readonly Layer[]): (() => Promise<unknown>)[] {
    return layers.toReversed().map((layer) => () => this.#options.store.release(layer))
  }

  /** An image's layer in the store, on its parent's; undefined, and noted, if it cannot be had. */
  async #takeLayer(id: string): Promise<Layer | undefined> {
    const image = this.#images.get(id)
    const problem = this.problems.get(id)
    if (!image || problem !== undefined)
      return this.#fail(id, problem ?? `image ${id} is not there`)
    const { parent } = image
    const beneath = parent === undefined ? undefined : this.#brought.get(parent)
    if (parent !== undefined && !beneath) {
      return this.#fail(id, `image ${id} stands on ${parent}, which could not be brought over`)
    }
    try {
      const json = await this.#graph.rawJSON(id)
      const layer = (await this.#knownLayer(id, beneath)) ?? (await this.#register(id, beneath))
      const steps = [...(beneath?.steps ?? []), { json, diffID: layer.diffID }]
      this.#brought.set(id, { steps, chainID: layer.chainID })
      return layer
    } catch (error) {
      return this.#failOf(id, error)
    }
  }

  async #knownLayer(id: string, beneath: Brought | undefined): Promise<Layer | undefined> {
    const diffID = this.memo.get(id)
    if (diffID === undefined) return undefined
    const { store } = this.#options
    const chainID = chainIDOf(beneath?.chainID, diffID)
    return (await store.has(chainID)) ? await store.get(chainID) : undefined
  }

  async #register(id: string, beneath: Brought | undefined): Promise<Layer> {
    const { store, signal } = this.#options
    const how = signal ? { signal } : {}
    const layer = await store.register(this.#reported(id, this.#graph.tarLayer(id, how)), {
      ...how,
      // All layers of a head share one flush.
      durability: 'deferred',
      ...(beneath === undefined ? {} : { parent: beneath.chainID }),
    })
    this.memo.set(id, layer.diffID)
    return layer
  }

  async *#reported(id: string, bytes: ByteSource): AsyncGenerator<Uint8Array> {
    let done = 0
    for await (const chunk of bytes) {
      done += chunk.length
      this.#options.onProgress?.({ phase: 'migrate', id, done })
      yield chunk
    }
  }

  async #publish(id: string): Promise<void> {
    const { images, intermediates = true, signal, onMigrated } = this.#options
    checkAborted(signal, 'Cannot migrate the image graph')
    const brought = this.#brought.get(id) as Brought
    const tags = this.#usableTags(id)
    if (!intermediates && tags.length === 0 && this.#parents.has(id)) return
    const parent = this.#brought.get(this.#images.get(id)?.parent ?? '')?.imageID
    try {
      const { id: imageID, existed } = await images.add(configOfV1(brought.steps), {
        tags,
        ...(parent === undefined ? {} : { parent }),
        ...(signal ? { signal } : {}),
      })
      this.#brought.set(id, { ...brought, imageID })
      const migrated = { id, imageID, chainID: brought.chainID, tags, existed }
      this.done.push(migrated)
      onMigrated?.(migrated)
    } catch (error) {
      this.#failOf(id, error)
    }
  }

  /** Names of manifests are none of an image by its configuration. */
  #usableTags(id: string): string[] {
    return (this.#tags.get(id) ?? []).filter((tag) => {
      try {
        return parseReference(tag).digest === undefined
      } catch (error) {
        if (!LayerError.is(error, 'ERR_INVALID_ARGUMENT')) throw error
        this.failed.push({ id, tag, message: error.message })
        return false
      }
    })
  }

  #failOf(id: string, error: unknown): undefined {
    if (!LayerError.is(error) || FATAL.some((code) => error.code === code)) throw error
    return this.#fail(id, error.message)
  }

  #fail(id: string, message: string): undefined {
    if (!this.#hopeless.has(id)) this.failed.push({ id, message })
    this.#hopeless.add(id)
    this.#brought.delete(id)
  }
}
