/**
 * Docker's own store, to read only: whatever would change it is refused before it begins.
 *
 * @module
 */
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LayerError, type LayerStore } from '@varve/core'
import type { ImageStore } from '@varve/image'

function refuse(attempt: string): never {
  throw new LayerError('ERR_NOT_SUPPORTED', `Cannot ${attempt}: this is Docker's own data root`, {
    hint: 'Varve only reads it; save the image and load it into a store of varve',
  })
}

/** Layers that cannot be changed. A daemon at work may change them beneath. */
export function readOnlyStore(store: LayerStore): LayerStore {
  return {
    ...store,
    register: async () => refuse('add a layer'),
    release: async () => refuse('remove a layer'),
    createRW: async () => refuse('make a read-write layer'),
    releaseRW: async () => refuse('remove a read-write layer'),
    sync: async () => {},
    cleanup: async () => refuse('sweep'),
    async gc(options) {
      if (!options.dryRun) refuse('remove layers')
      return await store.gc(options)
    },
    check(options) {
      if (options?.repair) refuse('repair')
      return store.check(options)
    },
  }
}

/**
 * A root that shows the images of another one: what the image store writes for itself (locks, what
 * it measured) goes there, and is gone when this is disposed of.
 */
export async function besideImages(root: string): Promise<AsyncDisposable & { root: string }> {
  const place = await mkdtemp(join(tmpdir(), 'varve-docker-'))
  await symlink(join(root, 'image'), join(place, 'image'))
  return {
    root: place,
    [Symbol.asyncDispose]: () => rm(place, { recursive: true, force: true }),
  }
}

/** Images that cannot be changed. */
export function readOnlyImages(images: ImageStore): ImageStore {
  return {
    get: (ref) => images.get(ref),
    list: () => images.list(),
    history: (ref) => images.history(ref),
    save: (refs, to, options) => images.save(refs, to, options),
    archive: (refs, options) => images.archive(refs, options),
    roots: () => images.roots(),
    diskUsage: () => images.diskUsage(),
    layerSources: (from, options) => images.layerSources(from, options),
    check(options) {
      if (options?.repair) refuse('repair')
      return images.check(options)
    },
    load: async () => refuse('load an image'),
    tag: async () => refuse('tag an image'),
    untag: async () => refuse('remove a tag'),
    remove: async () => refuse('remove an image'),
    commit: async () => refuse('make an image'),
    copyFrom: async () => refuse('take images over'),
    add: async () => refuse('make an image'),
    async prune(options) {
      if (!options?.dryRun) refuse('prune')
      return await images.prune(options)
    },
    [Symbol.asyncDispose]: () => images[Symbol.asyncDispose](),
  }
}
