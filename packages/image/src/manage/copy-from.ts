import { copyFile, link, open } from 'node:fs/promises'
import { type Digest, LayerError } from '@varve/core'
import type { ImageContext } from '../context.ts'
import { chainOf, readConfigs } from '../disk/config-files.ts'
import { ImageFiles, type Work } from '../disk/image-files.ts'
import { imagePaths } from '../disk/paths.ts'
import { publishImages } from '../load/publish.ts'
import type { ImageID } from '../types/image.ts'
import type { CopiedImages, CopyFromOptions } from '../types/transfer.ts'

/** See `ImageStore.copyFrom`. */
export async function copyFrom(
  ctx: ImageContext,
  { root, driver, signal }: CopyFromOptions,
): Promise<CopiedImages> {
  const { files, store } = ctx
  const from = new ImageFiles(imagePaths(root, driver), files.sys)
  const configs = await readConfigs(from.paths)
  const names = (await from.tags()).entries()
  await using work = await files.work()
  await using held = new AsyncDisposableStack()
  const parents = new Map<ImageID, ImageID>()
  const images = []
  for (const { id, config, bytes } of configs) {
    const chain = chainOf(config)
    // Held until the image needs it, so that nobody removes it meanwhile.
    if (chain !== undefined) held.use(await store.get(chain))
    const parent = await from.metadata(id, 'parent')
    if (parent !== undefined) parents.set(id, parent as ImageID)
    const tags = names.filter(([, target]) => target === id).map(([name]) => name)
    images.push({ id, configBytes: bytes, manifest: await from.manifest(id), tags })
  }
  const blobs = []
  for (const digest of await from.blobs()) {
    if ((await files.blobSize(digest)) !== undefined) continue
    blobs.push({ digest, path: await linkBlob(from, digest, work) })
  }
  const copied = { images, blobs, parents, replaceManifests: false, signal }
  const existed = await publishImages(ctx, work, copied)
  const ids = images.map(({ id }) => id)
  return { ids, existed: ids.filter((id) => existed.has(id)), blobs: blobs.length }
}

/** The same file under a second name, where the file system has such; otherwise a copy. */
async function linkBlob(from: ImageFiles, digest: Digest, work: Work): Promise<string> {
  const [blob, path] = [from.paths.blob(digest), work.path()]
  try {
    await link(blob, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK' && code !== 'ENOTSUP') {
      throw new LayerError('ERR_IO', `Cannot copy blob ${digest}`, { cause: error })
    }
    await copyFile(blob, path)
    await using file = await open(path, 'r+')
    await file.sync()
  }
  return path
}
