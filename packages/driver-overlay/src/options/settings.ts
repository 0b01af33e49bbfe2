import { type CacheID, LayerError } from '@varve/core'
import type { Parts } from '../parts.ts'
import type { StorageOptions } from './storage-options.ts'
import { isVolatile, markVolatile } from './volatile.ts'

/**
 * Gives a layer that is being made what it was told; its directory is there and empty.
 *
 * @throws LayerError `ERR_NOT_SUPPORTED`
 */
export async function applySettings(
  parts: Parts,
  id: CacheID,
  { size = 0, volatile = false }: StorageOptions,
): Promise<void> {
  if (size > 0) await parts.quota.limit(parts.home.layer(id), size)
  if (!volatile) return
  if (!parts.features.volatile) throw noVolatile()
  await markVolatile(parts, id)
}

/** What a layer was told, for a copy of it. */
export async function settingsOf(parts: Parts, id: CacheID): Promise<StorageOptions> {
  const size = parts.quota.limitOf(parts.home.layer(id))
  return {
    ...(size === undefined ? {} : { size }),
    ...((await isVolatile(parts, id)) ? { volatile: true } : {}),
  }
}

function noVolatile(): LayerError {
  return new LayerError(
    'ERR_NOT_SUPPORTED',
    'Cannot create a volatile layer: the kernel has no volatile overlays here',
    { hint: 'Use a kernel since 5.10, or leave the option volatile out' },
  )
}
