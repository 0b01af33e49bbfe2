import { join } from 'node:path'
import type { CacheID } from '@varve/core'
import type { Marks } from '@varve/overlayfs'
import { AT, type NativeCalls, O } from '@varve/sys'
import { copyMetadata, ITSELF, isThere, type Spot, writeSynced } from '@varve/trees'
import { type Home, PRIVATE } from '../home.ts'
import { applySettings } from '../options/settings.ts'
import type { StorageOptions } from '../options/storage-options.ts'
import type { Parts } from '../parts.ts'
import { giveShortName, lowersOf, shortNameOf } from './short-names.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/**
 * Makes an empty layer, in place: the store has written its id down, so a half-made one is found.
 *
 * @throws `EEXIST` if there is something of that id; LayerError `ERR_NOT_SUPPORTED` for a setting
 */
export async function makeLayer(
  parts: Parts,
  id: CacheID,
  parent: CacheID | undefined,
  settings: StorageOptions,
): Promise<void> {
  const { home, native, marks } = parts
  makeDirectory(native, AT.FDCWD, home.layer(id), PRIVATE)
  // First, because what is made in it from then on counts.
  await applySettings(parts, id, settings)
  const fd = native.openat(AT.FDCWD, bytes(home.layer(id)), O.RDONLY | O.DIRECTORY)
  try {
    makeRoot(native, marks, fd, 'diff', parent === undefined ? undefined : home.diff(parent))
    if (parent !== undefined) makeDirectory(native, fd, 'work', 0o700)
  } finally {
    native.close(fd)
  }
  const write = (owner: CacheID, name: string, text: string, mode: number) =>
    writeSynced(join(home.layer(owner), name), text, mode)
  const lower = async (below: CacheID) => {
    const names = [await shortNameOf(home, below), ...(await lowersOf(home, below))]
    await write(id, 'lower', names.map((name) => `l/${name}`).join(':'), 0o644)
  }
  const commit = async (below: CacheID) => {
    if (!(await isCommitted(home, below))) await write(below, 'committed', '', 0o600)
  }
  const steps = parent === undefined ? [] : [lower(parent), commit(parent)]
  const results = await Promise.allSettled([giveShortName(home, id), ...steps])
  // All of them have ended: nothing is written any more into what the caller removes.
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

/**
 * Makes a directory for what a layer has of its own.
 *
 * @param layer descriptor of the layer's directory
 * @param below the same directory of the parent: the topmost layer's root is the root of all
 */
export function makeRoot(
  native: NativeCalls,
  marks: Marks,
  layer: number,
  name: string,
  below: string | undefined,
): void {
  makeDirectory(native, layer, name, 0o755)
  if (below !== undefined) copyRoot(native, marks, below, [layer, bytes(name)])
}

/** Whether another layer stands on this one, or did; from then on it is only mounted read-only. */
export function isCommitted(home: Home, id: CacheID): Promise<boolean> {
  return isThere(join(home.layer(id), 'committed'))
}

function makeDirectory(native: NativeCalls, dirfd: number, name: string, mode: number): void {
  native.mkdirat(dirfd, bytes(name), mode)
  // Whatever the umask.
  native.fchmodat(dirfd, bytes(name), mode)
}

function copyRoot(native: NativeCalls, marks: Marks, from: string, to: Spot): void {
  const source = native.openat(AT.FDCWD, bytes(from), O.RDONLY | O.DIRECTORY)
  try {
    const rename = (name: string) => (marks.isMark(name) ? undefined : name)
    copyMetadata(native, [source, ITSELF], to, native.fstat(source), { keepOwner: true, rename })
  } finally {
    native.close(source)
  }
}
