import { applyLayer, directoryWhiteouts } from '@varve/archive'
import {
  type AppliedDiff,
  type ByteSource,
  type CacheID,
  type CallOptions,
  LayerError,
} from '@varve/core'
import { applyAside } from '@varve/trees'
import { mountingOf, type Parts } from '../parts.ts'
import { mountLayer } from './layer-mounts.ts'

/**
 * Applies a tar on a read-write layer, through a mount of it: what is removed becomes a whiteout,
 * what is changed is copied up.
 */
export async function applyUpper(
  parts: Parts,
  id: CacheID,
  tar: ByteSource,
  options: CallOptions,
): Promise<AppliedDiff> {
  const { scratch, marks, features } = mountingOf(parts, `Cannot apply on layer ${id}`)
  await using mount = await mountLayer(parts, id, options)
  if (mount.readOnly) {
    throw new LayerError(
      'ERR_LAYER_IN_USE',
      `Cannot apply on layer ${id}: another layer stands on it`,
      { data: { id }, hint: 'Make a new layer on it and apply there' },
    )
  }
  return await applyAside(scratch, (asideDir) =>
    applyLayer(mount.path, tar, {
      ...options,
      sys: parts.sys,
      asideDir,
      keepOwner: features.keeps.owner,
      whiteouts: {
        ...directoryWhiteouts,
        // The kernel escapes them itself since Linux 6.7, and refuses them before.
        xattrName: (name) => (marks.isMark(name) ? undefined : name),
        allowsDeviceZero: false,
      },
    }),
  )
}
