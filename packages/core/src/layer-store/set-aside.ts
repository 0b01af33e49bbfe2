import { LayerError } from '../errors.ts'
import type { ChainID } from '../ids.ts'
import type { LayerRecord, MountRecord } from '../metadata.ts'
import type { StoreContext } from './context.ts'

/** Sets a layer aside, unless it was registered anew since it was found to be broken. */
export async function setLayerAside(ctx: StoreContext, broken: LayerRecord): Promise<void> {
  const { metadata } = ctx
  await setAside(ctx, 'layer', broken.chainID, async () => {
    return (await metadata.layer(broken.chainID))?.cacheID === broken.cacheID
  })
}

/**
 * Sets a layer aside that cannot be loaded, because its own metadata or a layer beneath it is
 * damaged or missing.
 *
 * @returns why; undefined if it can be loaded by now, or is no longer there
 */
export async function setUnloadableAside(
  ctx: StoreContext,
  id: ChainID,
): Promise<string | undefined> {
  return await setAside(ctx, 'layer', id, async () => {
    await ctx.index.refresh()
    await ctx.index.find(id)
    return false
  })
}

/** Sets a read-write layer aside, unless another one has its name by now. */
export async function setMountAside(ctx: StoreContext, broken: MountRecord): Promise<void> {
  const { metadata } = ctx
  await setAside(ctx, 'mount', broken.name, async () => {
    return (await metadata.mount(broken.name))?.mountID === broken.mountID
  })
}

/** Sets damaged metadata aside, unless it was replaced since. */
export async function setDamagedAside(
  ctx: StoreContext,
  kind: 'layer' | 'mount',
  subject: string,
): Promise<void> {
  await setAside(ctx, kind, subject, async () => {
    for await (const damage of ctx.metadata.damaged()) {
      if (damage.kind === kind && damage.subject === subject) return true
    }
    return false
  })
}

/** @returns why it was set aside, if it was */
async function setAside(
  ctx: StoreContext,
  kind: 'layer' | 'mount',
  subject: string,
  isStillBroken: () => Promise<boolean>,
): Promise<string | undefined> {
  const why = await ctx.metadata.lock('exclusive', async () => {
    const reason = await reasonToSetAside(isStillBroken)
    if (reason === undefined) return undefined
    await ctx.index.change(
      () => ctx.metadata.setAside({ kind, subject }),
      () => {},
    )
    return reason
  })
  // Whoever stood on it is no longer what was remembered.
  ctx.index.forget()
  return why
}

/** What can no longer be read is broken all the more. */
async function reasonToSetAside(
  isStillBroken: () => Promise<boolean>,
): Promise<string | undefined> {
  try {
    return (await isStillBroken()) ? 'it is broken' : undefined
  } catch (error) {
    if (LayerError.is(error, 'ERR_CORRUPT_METADATA')) return error.message
    throw error
  }
}
