import { mkdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, isCacheID, LayerError } from '@varve/core'
import type { Sys } from '@varve/sys'
import { setMode, syncNames } from '@varve/trees'

/**
 * Where things are. It takes no notice of what else is there.
 *
 * ```text
 * <root>/               0710
 *   <id>/               0710, a layer
 *     parent            the id of the layer that it stands on, if any
 *     layer.erofs       0400, a read-only layer: its tar, and metadata of the whole chain behind it
 *     layer.sum         SHA-256 of all in it that is not the tar
 *     layer.verity      its digest under fs-verity, if it was put under it
 *     layer.tmp         the image while it is written
 *     diff/, work/      a read-write layer: its changes, and the kernel's own directory
 *     committed         there once another layer stands on this read-write one, which is final then
 *     merged/, view/    0700, where it is mounted writable and read-only; there while it is
 *     lock, *.lock      who mounts it; see MountPoints of @varve/overlayfs
 *   empty/              0755, what a chain of no layers looks like
 *   removing/<id>/      0700, a layer that is being deleted
 *   aside/<random>/     0700, files of a living process that belong to no layer
 *   probes.json         what was found out about this kernel and file system
 * ```
 */
export interface Home {
  /** Without symbolic links. */
  readonly root: string
  readonly empty: string
  readonly removing: string
  readonly aside: string
  readonly probes: string
  /** Where a layer is. */
  layer(id: CacheID): string
  image(id: CacheID): string
  /** The changes of a read-write layer. */
  diff(id: CacheID): string
  /** Where a layer is while it is deleted. */
  removed(id: CacheID): string
}

/** Layers may hold set-user-id programs, so nobody else may come in (CVE-2021-41091). */
export const PRIVATE = 0o710

/** Makes what is missing of the directories, and puts their names on stable storage. */
export async function openHome(path: string, sys: Sys): Promise<Home> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 })
  const home = await homeAt(path)
  await setMode(home.root, PRIVATE)
  const first = await mkdir(home.empty, { recursive: true, mode: 0o755 })
  await setMode(home.empty, 0o755)
  await syncNames(sys, home.empty, made ?? first)
  return home
}

/** The paths in a home; nothing is made. */
export async function homeAt(path: string): Promise<Home> {
  // As the kernel shows it in its table of mounts.
  const root = await realpath(path)
  return {
    root,
    empty: join(root, 'empty'),
    removing: join(root, 'removing'),
    aside: join(root, 'aside'),
    probes: join(root, 'probes.json'),
    layer: (id) => join(root, id),
    image: (id) => join(root, id, 'layer.erofs'),
    diff: (id) => join(root, id, 'diff'),
    removed: (id) => join(root, 'removing', id),
  }
}

/** What a layer stands on. @throws LayerError `ERR_CORRUPT_LAYER` */
export async function parentOf(home: Home, id: CacheID): Promise<CacheID | undefined> {
  let text: string
  try {
    text = (await readFile(join(home.layer(id), 'parent'), 'latin1')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  if (isCacheID(text)) return text
  throw new LayerError(
    'ERR_CORRUPT_LAYER',
    `Cannot read layer ${id}: its file "parent" is damaged`,
    { data: { id }, hint: 'Register the layer again' },
  )
}
