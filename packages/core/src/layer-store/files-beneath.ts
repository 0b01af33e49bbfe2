import { LayerError } from '../errors.ts'
import type { ChainID } from '../ids.ts'
import type { LayerRecord, MountRecord } from '../metadata.ts'
import type { StoreContext } from './context.ts'

/** Whether a layer's files are also those of every layer above it, rather than copied into them. */
export function sharesFiles({ driver }: StoreContext): boolean {
  return driver.capabilities.mount === 'kernel'
}

/**
 * Who needs a layer's files although they are damaged: a read-write layer above that shares them, or
 * another process, which may have them mounted.
 *
 * @returns who, for people; undefined if nobody does
 */
export async function whoNeedsFiles(
  ctx: StoreContext,
  layer: LayerRecord,
): Promise<string | undefined> {
  if (!sharesFiles(ctx)) return undefined
  return await ctx.metadata.lock('exclusive', async () => {
    for (const mount of await Array.fromAsync(ctx.metadata.mounts())) {
      const { found } = await lookBeneath(ctx, mount, layer.chainID)
      if (found) return `read-write layer ${mount.name}`
    }
    return (await ctx.metadata.heldElsewhere(layer.chainID)) ? 'another process' : undefined
  })
}

/**
 * The name of a read-write layer of which it cannot be told which files it shares, because a layer
 * beneath it is no longer listed: they may be any that nothing refers to.
 */
export async function whoMayNeedOrphans(ctx: StoreContext): Promise<string | undefined> {
  if (!sharesFiles(ctx)) return undefined
  return await ctx.metadata.lock('shared', async () => {
    for (const mount of await Array.fromAsync(ctx.metadata.mounts())) {
      if (!(await lookBeneath(ctx, mount)).whole) return mount.name
    }
    return undefined
  })
}

/** Follows the records beneath a read-write layer, as far as there are such. */
async function lookBeneath(
  ctx: StoreContext,
  { parent }: MountRecord,
  wanted?: ChainID,
): Promise<{ readonly found: boolean; readonly whole: boolean }> {
  const seen = new Set<ChainID>()
  for (let id = parent; id !== undefined && !seen.has(id); ) {
    if (id === wanted) return { found: true, whole: true }
    seen.add(id)
    const record = await healthy(ctx, id)
    if (record === undefined) return { found: false, whole: false }
    id = record.parent
  }
  return { found: false, whole: true }
}

async function healthy(ctx: StoreContext, id: ChainID): Promise<LayerRecord | undefined> {
  try {
    return await ctx.metadata.layer(id)
  } catch (error) {
    if (LayerError.is(error, 'ERR_CORRUPT_METADATA')) return undefined
    throw error
  }
}
