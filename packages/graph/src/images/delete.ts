import { rename } from 'node:fs/promises'
import { asCacheID, callOptions, cleanUp, LayerError, wrapError } from '@varve/core'
import { assertWritable, type GraphContext } from '../context.ts'
import { isThere, removeTree } from '../disk/files.ts'
import { notFound } from '../disk/image-file.ts'
import type { DeleteOptions } from '../types.ts'

/**
 * See `Graph.delete`. The image goes by one rename to `_tmp/<id>`, which then says what is left to
 * do, also to whoever comes after a process that died.
 */
export async function deleteImage(
  ctx: GraphContext,
  prefix: string,
  options: DeleteOptions = {},
): Promise<void> {
  assertWritable(ctx, `Cannot delete image ${prefix}`)
  const id = await ctx.catalog.resolve(prefix)
  const attempt = `Cannot delete image ${id}`
  await using _lock = await ctx.locks.image(id, callOptions(options))
  try {
    const parent = await takeAway(ctx, id, options)
    await removeLayer(ctx, id, parent)
  } catch (error) {
    throw wrapError(error, attempt, { id })
  }
}

/**
 * Removes the driver's layer and what is left of the image. A driver that fails has kept the whole
 * layer, and then the image is listed again; or it has not, and then only files are left to it.
 */
async function removeLayer(
  ctx: GraphContext,
  id: string,
  parent: string | undefined,
): Promise<void> {
  const { driver, layout } = ctx
  try {
    await driver.remove(asCacheID(id))
  } catch (error) {
    if (await driver.exists(asCacheID(id))) {
      throw await cleanUp(error, () => putBack(ctx, id, parent))
    }
    throw unfinished(id, await cleanUp(error, () => removeTree(layout.staging(id))))
  }
  try {
    removeTree(layout.staging(id))
  } catch (error) {
    throw unfinished(id, error)
  }
}

/** Makes it vanish; gives its parent, which is needed to list it again. */
async function takeAway(
  { layout, sys, catalog, holds }: GraphContext,
  id: string,
  options: DeleteOptions,
): Promise<string | undefined> {
  const staging = layout.staging(id)
  const parent = (await catalog.parents()).get(id)
  await catalog.change(async (known) => {
    if (!isThere(layout.image(id))) throw notFound(id)
    assertUnused(id, known.hasChildren(id) && options.force !== true, holds.isHeld(id))
    removeTree(staging)
    await rename(layout.image(id), staging)
    try {
      for (const directory of [layout.tmp, layout.root]) await sys.syncDirectory(directory)
    } catch (error) {
      throw await cleanUp(error, () => rename(staging, layout.image(id)))
    }
    return (change) => change.remove(id)
  }, callOptions(options))
  return parent
}

async function putBack(
  { layout, sys, catalog }: GraphContext,
  id: string,
  parent: string | undefined,
): Promise<void> {
  await catalog.change(async () => {
    await rename(layout.staging(id), layout.image(id))
    await sys.syncDirectory(layout.root)
    return (change) => change.add(id, parent)
  })
}

function assertUnused(id: string, isParent: boolean, isHeld: boolean): void {
  if (!isParent && !isHeld) return
  const why = isHeld ? 'a pull, build or reader under way needs it' : 'other images stand on it'
  throw new LayerError('ERR_LAYER_IN_USE', `Cannot delete image ${id}: ${why}`, {
    data: { id },
    hint: isHeld ? 'Try again when that is done' : 'Delete those first',
  })
}

function unfinished(id: string, cause: unknown): LayerError {
  const why = 'it is gone, but not all of its files'
  return new LayerError('ERR_CLEANUP_FAILED', `Cannot delete image ${id}: ${why}`, {
    cause,
    data: { id },
    hint: 'What is left is swept when the graph, or its driver, is next opened',
  })
}
