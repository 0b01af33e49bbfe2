import type { CacheID } from '../ids.ts'
import type { StoreContext } from './context.ts'
import { verifyUnsafe } from './durability.ts'
import { whoMayNeedOrphans } from './files-beneath.ts'
import { finishPending } from './release.ts'

/**
 * Does what a process that died could not: undoes its unfinished registrations, finishes its
 * removals. Safe to interrupt and to run again.
 *
 * @returns what was done, for people
 */
async function finishInterrupted(ctx: StoreContext): Promise<readonly string[]> {
  return await ctx.metadata.lock('exclusive', async () => {
    const done: string[] = []
    for (const pending of await ctx.metadata.interrupted()) {
      await finishPending(ctx, pending)
      done.push(
        `${pending.kind === 'register' || pending.kind === 'create' ? 'undid' : 'finished'} ${pending.subject}`,
      )
    }
    return done
  })
}

/**
 * What every opening does first: finishes what dead processes left, and lets the driver clear away
 * what they had set aside.
 *
 * @returns what was done, for people
 */
export async function recover(ctx: StoreContext): Promise<readonly string[]> {
  const finished = await finishInterrupted(ctx)
  const cleared = await ctx.driver.cleanup()
  return [
    ...finished,
    ...cleared.map((what) => `cleared away ${what}`),
    ...(await verifyUnsafe(ctx)),
  ]
}

/** Driver layers that no metadata refers to and nobody is about to make. */
export async function orphans(ctx: StoreContext): Promise<readonly CacheID[]> {
  return await ctx.metadata.lock('exclusive', async () => {
    // Listed before anything else is read: a change is written down first and made then, so that
    // whatever is begun from here on is not in the list.
    const all = await Array.fromAsync(ctx.driver.list())
    const known = new Set<CacheID>(await ctx.metadata.intended())
    for await (const layer of ctx.metadata.layers()) known.add(layer.cacheID)
    for await (const mount of ctx.metadata.mounts()) {
      known.add(mount.mountID)
      if (mount.initID) known.add(mount.initID)
    }
    return all.filter((id) => !known.has(id))
  })
}

/** See `LayerStore.cleanup`. */
export async function cleanup(ctx: StoreContext): Promise<readonly string[]> {
  const done = [...(await finishInterrupted(ctx))]
  // A damaged layer's files look like orphans, and are what a rescue would need.
  for await (const damage of ctx.metadata.damaged()) {
    return [
      ...done,
      `left alone what may belong to ${damage.kind} ${damage.subject}: ${damage.reason}`,
    ]
  }
  const name = await whoMayNeedOrphans(ctx)
  for (const id of await orphans(ctx)) {
    if (name === undefined) await ctx.driver.remove(id)
    done.push(
      name === undefined
        ? `removed driver layer ${id}, which nothing referred to`
        : `left alone driver layer ${id}, which read-write layer ${name} may need`,
    )
  }
  for (const what of await ctx.driver.cleanup()) done.push(`cleared away ${what}`)
  return done
}
