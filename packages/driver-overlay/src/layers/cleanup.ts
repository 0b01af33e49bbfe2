import type { Parts } from '../parts.ts'
import { finishRemovals } from './remove-layer.ts'
import { finishResets } from './reset-layer.ts'
import { restoreLinks, sweepLinks } from './short-names.ts'

/** Unmounts what killed processes left mounted; returns one text for each. */
export async function sweepMounts({ mounts }: Parts): Promise<string[]> {
  const done: string[] = []
  for (const [id, place] of await mounts.mounted()) {
    // Whoever has it is at work there, so it is not stale.
    using lock = await mounts.tryLock(id)
    if (lock && mounts.sweep(id, place) === 'swept') done.push(`stale mount of layer ${id}`)
  }
  return done
}

/** Clears away what no layer needs; returns one text for each kind or layer. */
export async function cleanUpHome(parts: Parts): Promise<string[]> {
  const { home, scratch } = parts
  const done = await sweepMounts(parts)
  for (const id of await finishRemovals(parts)) done.push(`half-removed layer ${id}`)
  const resets = await finishResets(parts)
  if (resets > 0) done.push(`files that ${resets} interrupted resets had thrown away`)
  await restoreLinks(home)
  const links = await sweepLinks(home)
  if (links > 0) done.push(`${links} entries of l/ that lead nowhere`)
  const swept = await scratch.sweep()
  if (swept > 0) done.push(`files that ${swept} interrupted calls had set aside`)
  return done
}
