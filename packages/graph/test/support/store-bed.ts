/** A layer store with images, on files, as the command opens it. */
import { join } from 'node:path'
import { type LayerStore, openStore } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { type Graph, openGraph } from '@varve/graph'
import { type ImageStore, imageRoots, openImages } from '@varve/image'
import { metadataFs } from '@varve/metadata-fs'
import { tarSplit } from '@varve/tarsplit'
import { memoryDriver, memoryMetadata } from '@varve/testkit'

export interface StoreBed extends AsyncDisposable {
  readonly store: LayerStore
  readonly images: ImageStore
}

export async function openStoreAt(root: string): Promise<StoreBed> {
  const driver = 'vfs'
  const store = await openStore({
    driver: await vfs({ root: join(root, 'vfs') }),
    metadata: await metadataFs({ root: join(root, 'image/vfs/layerdb') }),
    codec: tarSplit(),
    retained: () => imageRoots({ root, driver }),
  })
  const images = await openImages({ root, driver, store })
  return {
    store,
    images,
    async [Symbol.asyncDispose]() {
      await images[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}

/** The same with layers in memory, which have any mode that a tar says, whoever asks. */
export async function openMemoryStore(root: string): Promise<StoreBed> {
  const where = { root, driver: 'memory' }
  const store = await openStore({
    driver: memoryDriver({ exactDiffs: false }),
    metadata: memoryMetadata(),
    codec: tarSplit(),
    retained: () => imageRoots(where),
  })
  const images = await openImages({ ...where, store })
  return {
    store,
    images,
    async [Symbol.asyncDispose]() {
      await images[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}

/** A graph that a daemon of that time left; read only, unless asked for otherwise. */
export async function openOldGraph(root: string, readOnly = true): Promise<Graph> {
  const driver = await vfs({ root: join(root, 'vfs'), readOnly })
  const graph = await openGraph({
    root: join(root, 'graph'),
    repositories: join(root, 'repositories-vfs'),
    driver,
    readOnly,
  })
  return {
    ...graph,
    async [Symbol.asyncDispose]() {
      await graph[Symbol.asyncDispose]()
      await driver[Symbol.asyncDispose]()
    },
  }
}
