import { join } from 'node:path'
import type { CacheID, Driver, Mount, MountOptions } from '@varve/core'
import { endKeptMount, PLACES, type Place, useMount, type View } from '@varve/overlayfs'
import { AT, O } from '@varve/sys'
import { beginMount, clearKernelMark } from '../options/volatile.ts'
import type { Parts } from '../parts.ts'
import { noteFuse, settle } from './fuse-written.ts'
import { isCommitted } from './make-layer.ts'
import { type Layout, layoutOf } from './stacks.ts'

/**
 * Mounts a layer for whoever asked; a writable base layer is simply its own directory, unless the
 * mount is kept.
 */
export async function mountLayer(parts: Parts, id: CacheID, options: MountOptions): Promise<Mount> {
  const { home, mounts } = parts
  using _lock = await mounts.lock(id, options.signal)
  await settle(parts, id, true)
  const layout = await layoutOf(home, id)
  const committed = await isCommitted(home, id)
  const readOnly = options.readOnly === true || committed
  if (!readOnly && !layout.writable && !options.keep) {
    return { path: layout.diff, readOnly, async [Symbol.asyncDispose]() {} }
  }
  const place: Place = readOnly ? 'view' : 'merged'
  const volatile = await beginMount(parts, id)
  const mountAt = (target: string) =>
    mountOn(parts, id, layout, target, { ...options, readOnly, committed, volatile })
  return useMount(mounts, id, place, mountAt, options.keep)
}

/**
 * Ends one kept mount of a layer, or all of its kind; says how many are left.
 *
 * @throws LayerError `ERR_MOUNT_NOT_FOUND`
 */
export async function unmountLayer(
  { home, mounts }: Parts,
  id: CacheID,
  options: UnmountOptions,
): Promise<number> {
  using _lock = await mounts.lock(id, options.signal)
  return endKeptMount(mounts, id, options, await isCommitted(home, id))
}

type UnmountOptions = NonNullable<Parameters<NonNullable<Driver['unmount']>>[1]>

interface How {
  readonly readOnly: boolean
  readonly committed: boolean
  readonly volatile: boolean
  readonly mountLabel?: string
}

function mountOn(
  parts: Parts,
  id: CacheID,
  { diff, view, writable }: Layout,
  target: string,
  { readOnly, committed, volatile, mountLabel }: How,
): void {
  const { home, mounts, mounter } = parts
  if (!view || !writable) {
    mounts.bind(diff, target, readOnly)
    return
  }
  // The kernel does not let two mounts write to one directory; but one can be in two places.
  const other = PLACES.find((place) => mounts.isMounted(id, place))
  if (other) {
    mounts.bind(join(home.layer(id), other), target, readOnly)
    return
  }
  if (volatile && writable.upper) clearKernelMark(writable.upper.work)
  const request = { readOnly, volatile, ...(mountLabel === undefined ? {} : { label: mountLabel }) }
  if (parts.features.method === 'fuse' && !committed) noteFuse(parts, id)
  mounter.mount(committed ? view : writable, target, request)
}

/** All of a layer to be read by this process, as it is now. */
export async function viewLayer(parts: Parts, id: CacheID): Promise<View> {
  await settle(parts, id)
  const { diff, view } = await layoutOf(parts.home, id)
  if (!view) return { path: diff, [Symbol.dispose]() {} }
  const place = PLACES.find((each) => parts.mounts.isMounted(id, each))
  // Beneath a mount that is written to, the same files may not be looked at in another.
  return place ? openView(parts, join(parts.home.layer(id), place)) : parts.mounter.view(view)
}

/** All that is beneath a layer; undefined if nothing is. */
export function viewBeneath(
  parts: Parts,
  { writable }: Layout,
): (View & { readonly merged: boolean }) | undefined {
  const [first, second] = writable?.lowers ?? []
  if (!writable || first === undefined) return undefined
  if (second === undefined) return { path: first, merged: false, [Symbol.dispose]() {} }
  const view = parts.mounter.view({ lowers: writable.lowers })
  return { path: view.path, merged: true, [Symbol.dispose]: () => view[Symbol.dispose]() }
}

/** What is mounted at a path, also after it is mounted there no more. */
function openView({ native }: Parts, path: string): View {
  const fd = native.openat(AT.FDCWD, new TextEncoder().encode(path), O.PATH | O.DIRECTORY)
  return { path: `/proc/self/fd/${fd}`, [Symbol.dispose]: () => native.close(fd) }
}
