import { applyLayer } from '@varve/archive'
import type { AppliedDiff, ByteSource, CacheID, CallOptions } from '@varve/core'
import { applyAside, findLayer } from '@varve/trees'
import type { Parts } from '../parts.ts'

/** Applies a tar on a layer; payloads that it no longer holds are kept aside. */
export async function applyDiff(
  { home, sys, asides, keeps }: Parts,
  id: CacheID,
  tar: ByteSource,
  options: CallOptions,
): Promise<AppliedDiff> {
  const path = await findLayer(home, id)
  return await applyAside(asides, (asideDir) =>
    applyLayer(path, tar, { ...options, sys, asideDir, keepOwner: keeps.owner }),
  )
}
