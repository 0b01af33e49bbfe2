import { readdir } from 'node:fs/promises'
import { type AppliedLayer, applyLayer, directoryWhiteouts } from '@varve/archive'
import {
  type AppliedDiff,
  type ByteSource,
  type CacheID,
  type CallOptions,
  LayerError,
} from '@varve/core'
import { PLACES } from '@varve/overlayfs'
import type { SysError } from '@varve/sys'
import { applyAside, createPace } from '@varve/trees'
import { diskSize } from '../layers/disk-size.ts'
import { mountLayer, viewBeneath } from '../layers/layer-mounts.ts'
import { isCommitted } from '../layers/make-layer.ts'
import { type Layout, layoutOf } from '../layers/stacks.ts'
import { requireSound } from '../options/volatile.ts'
import type { Parts } from '../parts.ts'
import { LowerTree } from './lower-tree.ts'
import { mountedWhiteouts, overlayWhiteouts } from './overlay-whiteouts.ts'

/** Applies a layer tar: straight into an empty layer, else through a mount. */
export async function applyDiff(
  parts: Parts,
  id: CacheID,
  tar: ByteSource,
  options: CallOptions,
): Promise<AppliedDiff> {
  const layout = await layoutOf(parts.home, id)
  await requireSound(parts, id)
  return await applyAside(parts.scratch, async (asideDir) => {
    try {
      const straight = await applyStraight(parts, id, layout, tar, asideDir, options)
      const applied = straight ?? (await applyMounted(parts, id, tar, asideDir, options))
      const measure = () =>
        diskSize(layout.diff, parts.sys, createPace(options, `Cannot measure layer ${id}`))
      return {
        size: straight?.written ?? (await measure()),
        displaced: applied.displaced,
        [Symbol.asyncDispose]: () => applied[Symbol.asyncDispose](),
      }
    } catch (error) {
      throw withReason(error)
    }
  })
}

/** Undefined, and nothing done, if the layer is not empty or somebody looks at it. */
async function applyStraight(
  parts: Parts,
  id: CacheID,
  layout: Layout,
  tar: ByteSource,
  asideDir: string,
  options: CallOptions,
): Promise<AppliedLayer | undefined> {
  const { sys, native, marks, mounts, features } = parts
  using _lock = await mounts.lock(id, options.signal)
  if (await isCommitted(parts.home, id)) throw isFinal(id)
  if (PLACES.some((place) => mounts.isMounted(id, place))) return undefined
  // Root may go beyond a limit of ext4, but not through a mount.
  if (parts.quota.projectOf(parts.home.layer(id)) !== undefined) return undefined
  if ((await readdir(layout.diff)).length > 0) return undefined
  using beneath = viewBeneath(parts, layout)
  using lower = new LowerTree(sys, native, beneath?.path, beneath?.merged ?? false, marks)
  return await applyLayer(layout.diff, tar, {
    ...options,
    sys,
    asideDir,
    keepOwner: features.keeps.owner,
    whiteouts: overlayWhiteouts(native, marks, lower, features.keeps.owner),
  })
}

async function applyMounted(
  parts: Parts,
  id: CacheID,
  tar: ByteSource,
  asideDir: string,
  options: CallOptions,
): Promise<AppliedLayer> {
  await using mount = await mountLayer(parts, id, options)
  if (mount.readOnly) throw isFinal(id)
  return await applyLayer(mount.path, tar, {
    ...options,
    sys: parts.sys,
    asideDir,
    keepOwner: parts.features.keeps.owner,
    whiteouts: mountedWhiteouts(directoryWhiteouts, parts.marks),
  })
}

function isFinal(id: CacheID): LayerError {
  return new LayerError(
    'ERR_LAYER_IN_USE',
    `Cannot apply on layer ${id}: another layer stands on it`,
    { data: { id }, hint: 'Make a new layer on it and apply there' },
  )
}

/** In a user namespace, what chown calls an invalid argument is an id that nobody has there. */
function withReason(error: unknown): unknown {
  if (!LayerError.is(error)) return error
  const { code, syscall } = (error.cause ?? {}) as Partial<SysError>
  if (code !== 'EINVAL' || (syscall !== 'fchown' && syscall !== 'fchownat')) return error
  const attempt = error.message.replace(/: EINVAL: .*$/, '')
  const why = 'its owner is not among the ids of this user namespace'
  return new LayerError('ERR_PERMISSION', `${attempt}: ${why}`, {
    cause: error,
    data: error.data,
    hint:
      'Give your user more ids in /etc/subuid and /etc/subgid; or, with a store of its own, run it by ' +
      'varve unshare --single-id, where every file is yours',
  })
}
