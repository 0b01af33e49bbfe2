import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LayerStore, openStore } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { type ImageStore, imageRoots, openImages } from '@varve/image'
import { metadataFs } from '@varve/metadata-fs'
import { tarSplit } from '@varve/tarsplit'

/** The whole store on files, as the command opens it. */
export interface RealBed extends AsyncDisposable {
  readonly store: LayerStore
  readonly images: ImageStore
  path(name: string): string
}

/** A store in a temporary directory, gone with the bed. */
export async function openRealBed(): Promise<RealBed> {
  const base = await mkdtemp(join(tmpdir(), 'image-real-'))
  const bed = await openRealBedAt(join(base, 'root'))
  return {
    ...bed,
    path: (name) => join(base, name),
    async [Symbol.asyncDispose]() {
      await bed[Symbol.asyncDispose]()
      await rm(base, { recursive: true, force: true })
    },
  }
}

/** A store that stays. */
export async function openRealBedAt(root: string): Promise<RealBed> {
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
    path: (name) => join(root, name),
    async [Symbol.asyncDispose]() {
      await images[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}
