import type { MountRecord } from '../metadata.ts'
import type { ForkOptions, RWLayer } from '../store.ts'
import type { StoreContext } from './context.ts'
import { createRW } from './read-write.ts'

/** See `RWLayer.fork`; the layer that is copied must be in use. */
export async function fork(
  ctx: StoreContext,
  record: MountRecord,
  name: string,
  options: ForkOptions,
): Promise<RWLayer> {
  const { parent, mountID, initID, annotations } = record
  return await createRW(
    ctx,
    name,
    { ...(annotations ? { annotations } : {}), ...options, ...(parent ? { parent } : {}) },
    { mountID, ...(initID ? { initID } : {}) },
  )
}
