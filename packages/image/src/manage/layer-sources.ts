import { createReadStream } from 'node:fs'
import { type CallOptions, cleanUp, type DiffID, type Digest, LayerError } from '@varve/core'
import type { ImageContext } from '../context.ts'
import { readConfigs } from '../disk/config-files.ts'
import type { ImageFiles } from '../disk/image-files.ts'
import { unpackBlob } from '../load/unpack.ts'
import { hostPlatform } from '../platform.ts'
import type { FileTree } from '../source/file-tree.ts'
import { openTree } from '../source/open-tree.ts'
import { readSource } from '../source/read-source.ts'
import type { SourceLayer } from '../source/source-image.ts'
import type { LayerSources } from '../types/condition.ts'
import type { ImageID } from '../types/image.ts'

/** See `ImageStore.layerSources`. */
export async function layerSources(
  { files }: ImageContext,
  from: readonly string[],
  { signal }: CallOptions = {},
): Promise<LayerSources> {
  const blobs = await keptBlobs(files)
  const given = new Map<DiffID, SourceLayer[]>()
  const open: AsyncDisposable[] = []
  const close = (reason?: unknown): Promise<unknown> =>
    cleanUp(reason, ...open.splice(0).map((one) => () => one[Symbol.asyncDispose]()))
  try {
    if (from.length > 0) {
      const work = await files.work()
      open.unshift(work)
      for (const path of from) {
        const tree = await openTree(path, { scratch: () => work.scratch(), signal })
        open.unshift(tree)
        for (const layer of await layersIn(tree, signal)) {
          given.set(layer.diffID, [...(given.get(layer.diffID) ?? []), layer])
        }
      }
    }
  } catch (error) {
    throw await close(error)
  }
  return {
    async *tars(diffID) {
      for (const layer of given.get(diffID) ?? []) {
        if (await isThere(layer)) yield unpackBlob(layer.open({ signal }), signal)
      }
      const digest = blobs.get(diffID)
      if (digest) yield unpackBlob(createReadStream(files.paths.blob(digest)), signal)
    },
    async [Symbol.asyncDispose]() {
      const failure = await close()
      if (failure !== undefined) throw failure
    },
  }
}

/** The layers of every image in an archive, for whichever platform. */
async function layersIn(
  tree: FileTree,
  signal: AbortSignal | undefined,
): Promise<readonly SourceLayer[]> {
  const images = await readSource(tree, {
    platform: hostPlatform(),
    platformAsked: false,
    everyPlatform: true,
    repository: undefined,
    signal,
  })
  return images.flatMap(({ layers }) => layers)
}

/** Archives may leave layers out. */
async function isThere(layer: SourceLayer): Promise<boolean> {
  try {
    await layer.size()
    return true
  } catch (error) {
    if (LayerError.is(error, 'ERR_BLOB_NOT_FOUND')) return false
    throw error
  }
}

/** Which kept blob has a layer, as the manifests of images tell. */
async function keptBlobs(files: ImageFiles): Promise<Map<DiffID, Digest>> {
  const blobs = new Map<DiffID, Digest>()
  for (const { id, config } of await readConfigs(files.paths)) {
    const layers = await blobsOf(files, id)
    for (const [index, diffID] of config.rootfs.diff_ids.entries()) {
      const blob = layers[index]
      if (!blob || blobs.has(diffID)) continue
      if ((await files.blobSize(blob.digest)) === blob.size) blobs.set(diffID, blob.digest)
    }
  }
  return blobs
}

/** A damaged manifest tells nothing; `check` reports it. */
async function blobsOf(
  files: ImageFiles,
  id: ImageID,
): Promise<readonly { readonly digest: Digest; readonly size: number }[]> {
  try {
    return (await files.manifest(id))?.manifest.layers ?? []
  } catch (error) {
    if (LayerError.is(error, 'ERR_CORRUPT_METADATA')) return []
    throw error
  }
}
