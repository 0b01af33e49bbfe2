import { type Digest, LayerError } from '@varve/core'
import type { ImageID } from '../types/image.ts'
import { listImageIDs } from './config-files.ts'
import type { ImageFiles } from './image-files.ts'

/** Digests of blobs that kept manifests of present images name. */
async function neededBlobs(files: ImageFiles, except: ReadonlySet<ImageID>): Promise<Set<Digest>> {
  const needed = new Set<Digest>()
  for (const id of await listImageIDs(files.paths)) {
    if (except.has(id)) continue
    try {
      const kept = await files.manifest(id)
      for (const { digest } of kept?.manifest.layers ?? []) needed.add(digest)
    } catch (error) {
      // Reported by `check`; blobs that only a damaged manifest names are of no more use.
      if (!LayerError.is(error, 'ERR_CORRUPT_METADATA')) throw error
    }
  }
  return needed
}

/** Kept blobs that no image but those of `except` needs. Call it under the image lock. */
export async function unneededBlobs(
  files: ImageFiles,
  except: ReadonlySet<ImageID> = new Set(),
): Promise<{ readonly digest: Digest; readonly size: number }[]> {
  const needed = await neededBlobs(files, except)
  const unneeded = []
  for (const digest of await files.blobs()) {
    if (needed.has(digest)) continue
    unneeded.push({ digest, size: (await files.blobSize(digest)) ?? 0 })
  }
  return unneeded
}

/** Removes kept blobs that no image needs. Call it under the image lock. */
export async function sweepBlobs(files: ImageFiles): Promise<Digest[]> {
  const digests = (await unneededBlobs(files)).map(({ digest }) => digest)
  for (const digest of digests) await files.removeBlob(digest)
  return digests
}
