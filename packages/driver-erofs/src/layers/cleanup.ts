import type { Parts } from '../parts.ts'
import { finishRemovals } from './remove-layer.ts'
import { finishResets } from './upper-state.ts'

/** Unmounts what killed processes left mounted; returns one text for each. */
export async function sweepMounts({ mounting }: Parts): Promise<string[]> {
  const done: string[] = []
  if (!mounting) return done
  const { mounts } = mounting
  for (const [id, place] of await mounts.mounted()) {
    // Whoever has it is at work there, so it is not stale.
    using lock = await mounts.tryLock(id)
    if (lock && mounts.sweep(id, place) === 'swept') done.push(`stale mount of layer ${id}`)
  }
  return done
}

/** Clears away what no layer needs; returns one text for each kind or layer. */
export async function cleanUpHome(parts: Parts): Promise<string[]> {
  const { home, trees, mounting } = parts
  const done = await sweepMounts(parts)
  for (const id of await finishRemovals(home, trees)) done.push(`half-removed layer ${id}`)
  const resets = await finishResets(parts)
  if (resets > 0) done.push(`files that ${resets} interrupted resets had thrown away`)
  const swept = (await mounting?.scratch.sweep()) ?? 0
  if (swept > 0) done.push(`files that ${swept} interrupted calls had set aside`)
  return done
}
