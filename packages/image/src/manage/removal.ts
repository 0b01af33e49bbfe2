import { type ChainID, LayerError, type RemovedLayer } from '@varve/core'
import { type ImageContext, neededChains, releaseChains } from '../context.ts'
import { sweepBlobs } from '../disk/blobs.ts'
import { chainsOf, readConfig } from '../disk/config-files.ts'
import type { Work } from '../disk/image-files.ts'
import type { TagTable } from '../disk/tag-table.ts'
import { writeJournal } from '../load/undo.ts'
import { familiarName } from '../reference.ts'
import type { RemovedImages, RemoveOptions } from '../types/changes.ts'
import type { ImageID } from '../types/image.ts'
import { resolve } from './resolve.ts'

/** See `ImageStore.remove`. */
export async function removeImage(
  ctx: ImageContext,
  ref: string,
  { force = false, signal }: RemoveOptions = {},
): Promise<RemovedImages> {
  const { files } = ctx
  await using work = await files.work()
  return await files.exclusively(async () => {
    const table = await files.tags()
    const { id, name } = await resolve(files, table, ref)
    const names = namesOf(table, id)
    const tags = names.filter((one) => !one.includes('@'))
    if (name === undefined && tags.length > 1 && !force) {
      throw new LayerError('ERR_INVALID_ARGUMENT', `Cannot remove image ${ref}: it has tags`, {
        data: { id, tags },
        hint: `Remove ${tags.join(', ')} one by one, or use force`,
      })
    }
    const asked = name && familiarName(name)
    const staying = asked === undefined ? [] : names.filter((one) => one !== asked)
    // Names with a digest do not keep an image: they only tell where it came from.
    if (asked !== undefined && staying.some((one) => !one.includes('@'))) {
      table.delete(asked)
      await files.writeTags(work, table)
      return { untagged: [asked], deleted: [], layers: [] }
    }
    return await deleteImages(ctx, work, table, [id])
  }, signal)
}

/** Every name that leads to an image. */
export function namesOf(table: TagTable, id: ImageID): string[] {
  return table.entries().flatMap(([name, target]) => (target === id ? [name] : []))
}

/**
 * Removes images: tags, then configurations, then the layers and blobs that only they needed. Call
 * it under the image lock.
 */
export async function deleteImages(
  ctx: ImageContext,
  work: Work,
  table: TagTable,
  ids: readonly ImageID[],
): Promise<RemovedImages> {
  const { files } = ctx
  const stacks: ChainID[][] = []
  for (const id of ids) stacks.push(await stackOf(ctx, id))
  await writeJournal(files, work, { stacks, existed: [] })

  const untagged = ids.flatMap((id) => namesOf(table, id))
  for (const name of untagged) table.delete(name)
  if (untagged.length > 0) await files.writeTags(work, table)
  for (const id of ids) await files.removeImage(id)

  const needed = await neededChains(ctx)
  const layers: RemovedLayer[] = []
  for (const stack of stacks) layers.push(...(await releaseChains(ctx, stack, needed)))
  await sweepBlobs(files)
  return { untagged, deleted: ids, layers }
}

/** A damaged image can be removed too; its layers are left to `prune`. */
async function stackOf({ files }: ImageContext, id: ImageID): Promise<ChainID[]> {
  try {
    return chainsOf((await readConfig(files.paths, id)).config)
  } catch (error) {
    if (LayerError.is(error, 'ERR_CORRUPT_METADATA')) return []
    throw error
  }
}
