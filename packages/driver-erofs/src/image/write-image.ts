import { chmod, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AppliedDiff,
  type ApplyDiffOptions,
  type ByteSource,
  type CacheID,
  callOptions,
  cleanUp,
  type DiffID,
  hexOf,
  LayerError,
  wrapError,
} from '@varve/core'
import { type WrittenErofs, writeErofs } from '@varve/erofs'
import { escapeXattr } from '@varve/overlayfs'
import { isThere } from '@varve/trees'
import { type Home, parentOf } from '../home.ts'
import { imageBeneath } from '../layers/chain.ts'
import { readSum, sumOf, writeSum } from './image-sum.ts'
import { LayerFile } from './layer-file.ts'
import type { TreeCache } from './tree-cache.ts'
import { enableVerity, type Verity } from './verity.ts'

/**
 * Fills a read-only layer: the tar goes into one file, and metadata of all that the chain shows now
 * behind it. The file has its name once it is whole.
 *
 * @param verity to put it under fs-verity with
 */
export async function writeImage(
  home: Home,
  cache: TreeCache,
  verity: Verity | undefined,
  id: CacheID,
  tar: ByteSource,
  options: ApplyDiffOptions,
): Promise<AppliedDiff> {
  if (await isThere(home.image(id))) {
    throw new LayerError('ERR_LAYER_IN_USE', `Cannot apply on layer ${id}: it is finished`, {
      data: { id },
      hint: 'Make a new layer on it and apply there',
    })
  }
  const parent = await parentOf(home, id)
  const below = parent === undefined ? undefined : await imageBeneath(home, parent)
  const temporary = join(home.layer(id), 'layer.tmp')
  try {
    const tree = below === undefined ? undefined : await cache.take(home, below)
    const written = await writeFile(home, id, temporary, (file) =>
      writeErofs(file, tar, {
        ...callOptions(options),
        uuid: () => uuidOf(id, options.digest?.()),
        xattrName: escapeXattr,
        ...(tree && { below: tree }),
      }),
    )
    // Only who may write to a file may put it under verity.
    if (verity) await enableVerity(verity, home, id, temporary)
    await chmod(temporary, 0o400)
    await rename(temporary, home.image(id))
    cache.keep(id, written.tree, written.blocks)
    return { size: written.size, displaced: [], async [Symbol.asyncDispose]() {} }
  } catch (error) {
    const wrapped = wrapError(error, `Cannot apply on layer ${id}`, { id })
    throw await cleanUp(wrapped, () => rm(temporary, { force: true }))
  }
}

/** Whether a layer was given its image; that may have been lost since. */
export async function wasWritten(home: Home, id: CacheID): Promise<boolean> {
  return (await isThere(home.image(id))) || (await readSum(home, id)) !== undefined
}

/** By the tar, so that the same layer on the same layers is the same image everywhere. */
function uuidOf(id: CacheID, diffID: DiffID | undefined): Uint8Array {
  return Buffer.from((diffID === undefined ? id : hexOf(diffID)).slice(0, 32), 'hex')
}

async function writeFile(
  home: Home,
  id: CacheID,
  path: string,
  write: (file: LayerFile) => Promise<WrittenErofs>,
): Promise<WrittenErofs> {
  await using file = await LayerFile.create(path)
  const written = await write(file)
  await file.finish()
  const image = { size: written.blocks * 512, read: file.read.bind(file) }
  await writeSum(home, id, await sumOf(image, written.tar))
  return written
}
