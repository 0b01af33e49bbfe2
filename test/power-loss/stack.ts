import { join } from 'node:path'
import { cleanUp, type LayerStore, openStore } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { type ImageStore, imageRoots, openImages } from '@varve/image'
import { metadataFs } from '@varve/metadata-fs'
import type { Sys } from '@varve/sys'
import { tarSplit } from '@varve/tarsplit'

/** The whole of a store, as `varve` opens it. */
export interface Stack extends AsyncDisposable {
  readonly store: LayerStore
  readonly images: ImageStore
  /** What the opening had to repair. */
  readonly recovered: readonly string[]
}

const DRIVER = 'vfs'

/** Opens the store in a directory. */
export async function openStack(root: string, sys: Sys): Promise<Stack> {
  const recovered: string[] = []
  const onRecovered = (what: string): void => {
    recovered.push(what)
  }
  const where = { root, driver: DRIVER }
  const metadata = await metadataFs({ root: join(root, 'image', DRIVER, 'layerdb'), sys })
  const store = await openStore({
    driver: await vfs({ root: join(root, 'vfs'), sys }),
    metadata,
    codec: tarSplit(),
    retained: () => imageRoots(where),
    onRecovered,
  })
  try {
    const images = await openImages({ ...where, store, sys, onRecovered })
    return { store, images, recovered, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
  } catch (error) {
    throw await cleanUp(error, () => store[Symbol.asyncDispose]())
  }
}

/** Directories that hold what is under way, empty when nothing is. */
export function workPlaces(root: string): string[] {
  return [
    join(root, 'image', DRIVER, 'layerdb', 'tmp'),
    join(root, 'image', DRIVER, 'layerdb', 'varve', 'journals'),
    join(root, 'varve', 'images', DRIVER, 'work'),
    join(root, 'vfs', 'aside'),
  ]
}
