import { rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { cleanUp, type Digest, LayerError } from '@varve/core'
import type { ImageContext } from '../context.ts'
import { readConfig } from '../disk/config-files.ts'
import { ensureDirectory, readIfThere } from '../disk/files.ts'
import type { Work } from '../disk/image-files.ts'
import { parseReference } from '../reference.ts'
import type { SourceImage } from '../source/source-image.ts'
import type { ImageID } from '../types/image.ts'

/** What is published together, after its layers are safe. */
export interface Publication {
  readonly images: readonly Pick<SourceImage, 'id' | 'configBytes' | 'manifest' | 'tags'>[]
  /** Blobs in files already synced. */
  readonly blobs: readonly { readonly digest: Digest; readonly path: string }[]
  /** Replace the manifest of an image that is there by the one given. */
  readonly replaceManifests: boolean
  /** The images that these were made from. */
  readonly parents?: ReadonlyMap<ImageID, ImageID>
  readonly signal?: AbortSignal | undefined
}

/**
 * Publishes images whose layers are held: blobs, manifests, configurations, tags, in that order,
 * so that nothing ever names what is not there. If it fails, nothing of it stays.
 *
 * @returns which images were there before
 */
export async function publishImages(
  { files }: ImageContext,
  work: Work,
  { images, blobs, replaceManifests, parents, signal }: Publication,
): Promise<ReadonlySet<ImageID>> {
  const { sys, paths } = files
  const existed = new Set<ImageID>()
  const undo: (() => Promise<unknown>)[] = []
  const now = new Date().toISOString()

  const publishAll = async (): Promise<void> => {
    for (const { digest, path } of blobs) {
      const to = paths.blob(digest)
      if ((await files.blobSize(digest)) !== undefined) continue
      undo.unshift(() => files.removeBlob(digest))
      await ensureDirectory(sys, dirname(to))
      await rename(path, to)
    }
    if (blobs.length > 0) await sys.syncDirectory(paths.blobs)
    for (const { id, configBytes, manifest } of images) {
      const isThere = await isHealthy(id)
      if (isThere) existed.add(id)
      else undo.unshift(() => files.removeImage(id))
      const before = await readIfThere(paths.manifest(id))
      if (manifest && (!before || !isThere || replaceManifests)) {
        if (isThere) undo.unshift(() => restore(id, before))
        await files.writeManifest(work, id, manifest.bytes)
      }
      const parent = parents?.get(id)
      if (parent) await files.writeMetadata(work, id, 'parent', parent)
      await files.writeMetadata(work, id, 'lastUpdated', now)
      if (!isThere) await files.writeConfig(work, id, configBytes)
    }
    await writeTags()
  }

  const isHealthy = async (id: ImageID): Promise<boolean> => {
    try {
      await readConfig(paths, id)
      return true
    } catch (error) {
      if (LayerError.is(error, 'ERR_IMAGE_NOT_FOUND')) return false
      if (LayerError.is(error, 'ERR_CORRUPT_METADATA')) return false
      throw error
    }
  }

  const restore = async (id: ImageID, before: Uint8Array | undefined): Promise<void> => {
    await (before ? files.writeManifest(work, id, before) : files.removeManifest(id))
  }

  const writeTags = async (): Promise<void> => {
    const wanted = images.flatMap(({ id, tags }) => tags.map((tag) => ({ id, tag })))
    if (wanted.length === 0) return
    const table = await files.tags()
    const before = table.revision()
    for (const { id, tag } of wanted) table.set(parseReference(tag), id)
    if (table.revision() !== before) await files.writeTags(work, table)
  }

  await files.exclusively(async () => {
    try {
      await publishAll()
    } catch (error) {
      throw await cleanUp(error, ...undo)
    }
  }, signal)
  return existed
}
