import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { CacheID } from '@varve/core'
import type { Sys } from '@varve/sys'
import { setMode, syncNames } from '@varve/trees'

/**
 * Where things are: Docker's layout (moby `daemon/graphdriver/overlay2`). It takes no notice of what
 * else is there.
 *
 * ```text
 * <root>/               0710
 *   <id>/               0710, a layer
 *     diff/             what it has of its own; of a layer without parent, all that there is
 *     link              its short name
 *     lower             the short names of the layers beneath, nearest first: l/X:l/Y
 *     work/             0700, the kernel's
 *     committed         there once another layer stands on this one, which is final then
 *     merged/, view/    0700, where it is mounted writable and read-only; there while it is
 *     lock, *.lock      who mounts it; see MountPoints of @varve/overlayfs
 *   l/                  0700, short name → ../<id>/diff
 *   removing/<id>/      0700, a layer that is being deleted
 *   aside/<random>/     0700, files of a living process that belong to no layer
 *   probes.json         what was found out about this kernel and file system
 * ```
 */
export interface Home {
  readonly root: string
  /** Whether anything in it may be made or changed. */
  readonly writable: boolean
  readonly links: string
  readonly removing: string
  readonly aside: string
  readonly probes: string
  /** Where a layer is. */
  layer(id: CacheID): string
  diff(id: CacheID): string
  /** Where it is while it is deleted. */
  removed(id: CacheID): string
}

/** Layers may hold set-user-id programs, so nobody else may come in (CVE-2021-41091). */
export const PRIVATE = 0o710

/** Makes what is missing of the directories, and puts their names on stable storage. */
export async function openHome(path: string, sys: Sys): Promise<Home> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 })
  const home = await homeAt(path, true)
  await setMode(home.root, PRIVATE)
  const first = await mkdir(home.links, { recursive: true, mode: 0o700 })
  await setMode(home.links, 0o700)
  await syncNames(sys, home.links, made ?? first)
  return home
}

/** The paths in a home; nothing is made. */
export async function homeAt(path: string, writable: boolean): Promise<Home> {
  // As the kernel shows it in its table of mounts.
  const root = await realpath(path)
  return {
    root,
    writable,
    links: join(root, 'l'),
    removing: join(root, 'removing'),
    aside: join(root, 'aside'),
    probes: join(root, 'probes.json'),
    layer: (id) => join(root, id),
    diff: (id) => join(root, id, 'diff'),
    removed: (id) => join(root, 'removing', id),
  }
}
