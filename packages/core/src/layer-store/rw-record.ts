import { LayerError } from '../errors.ts'
import type { CacheID, Digest } from '../ids.ts'
import type { MountRecord } from '../metadata.ts'
import type { RWLayer } from '../store.ts'
import { parentCacheID, type StoreContext } from './context.ts'
import type { ReferenceToken } from './references.ts'

/** What the metadata's holds call a read-write layer. */
export function mountKey(record: Pick<MountRecord, 'mountID'>): Digest {
  return `sha256:${record.mountID}`
}

const TOKENS = new WeakMap<RWLayer, ReferenceToken>()

/** Tells a handle that the store made from any other object. */
export function rememberToken(layer: RWLayer, token: ReferenceToken): void {
  TOKENS.set(layer, token)
}

/** The token of a handle; undefined for an object that the store did not make. */
export function tokenOfRW(layer: RWLayer): ReferenceToken | undefined {
  return TOKENS.get(layer)
}

/** The driver layer that a read-write layer is compared with: its init layer or its parent. */
export async function beneath(
  ctx: StoreContext,
  record: MountRecord,
): Promise<CacheID | undefined> {
  return record.initID ?? (await parentCacheID(ctx, record.parent))
}

/** `ERR_MOUNT_IN_USE` for a read-write layer. */
export function inUse(attempt: string, why: string): LayerError {
  return new LayerError('ERR_MOUNT_IN_USE', `${attempt}: ${why}`, {
    hint: 'Unmount it wherever it is used, then try again',
  })
}
