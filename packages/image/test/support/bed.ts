import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LayerStore, openStore } from '@varve/core'
import { type ImageStore, imageRoots, openImages } from '@varve/image'
import { memoryDisk, memoryDriver, memoryLayers, memoryMetadata } from '@varve/testkit'

/** An image store on a temporary directory over layers in memory. */
export interface Bed extends AsyncDisposable {
  readonly root: string
  readonly store: LayerStore
  readonly images: ImageStore
  /** A path beside the store. */
  path(name: string): string
  /** ChainIDs of all layers, sorted. */
  layers(): Promise<string[]>
  /** Closes the stores and opens them again. */
  reopen(): Promise<void>
}

export async function openBed(): Promise<Bed> {
  const base = await mkdtemp(join(tmpdir(), 'image-'))
  const root = join(base, 'root')
  const disk = memoryDisk()
  const layers = memoryLayers()
  const driver = 'memory'

  const open = async () => {
    const store = await openStore({
      driver: memoryDriver({ layers }),
      metadata: memoryMetadata(disk),
      retained: () => imageRoots({ root, driver }),
    })
    return { store, images: await openImages({ root, driver, store }) }
  }
  let now = await open()
  return {
    root,
    get store() {
      return now.store
    },
    get images() {
      return now.images
    },
    path: (name) => join(base, name),
    async layers() {
      const ids: string[] = []
      for await (const { chainID } of now.store.layers()) ids.push(chainID)
      return ids.sort()
    },
    async reopen() {
      await now.images[Symbol.asyncDispose]()
      await now.store[Symbol.asyncDispose]()
      now = await open()
    },
    async [Symbol.asyncDispose]() {
      await now.images[Symbol.asyncDispose]()
      await now.store[Symbol.asyncDispose]()
      await rm(base, { recursive: true, force: true })
    },
  }
}
