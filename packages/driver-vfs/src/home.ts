import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import type { CacheID } from '@varve/core'
import type { Sys } from '@varve/sys'
import { setMode, syncNames } from '@varve/trees'

/**
 * Where things are. Docker's vfs driver has `dir/`, with one directory for each layer and nothing
 * else (moby daemon/graphdriver/vfs); it takes no notice of the rest.
 *
 * ```text
 * <root>/            0710, or 0700 for an ordinary user
 *   dir/             the same
 *     <id>/          a layer: its whole file system
 *   aside/<random>/  0700, what belongs to no layer, or is being deleted
 *   kept/            0700, how often mounts of layers are kept; see LayerMounts
 * ```
 */
export interface Home {
  readonly root: string
  readonly layers: string
  readonly aside: string
  readonly kept: string
  /** Where a layer is. */
  layer(id: CacheID): string
}

/**
 * Docker's mode for both. A layer may hold set-user-id programs, so nobody else may come in; an
 * ordinary user's group is often everybody's, so for him the group may not either.
 */
const PRIVATE = process.getuid?.() === 0 ? 0o710 : 0o700

/** The paths in a home; nothing is made. */
export function homeAt(root: string): Home {
  return {
    root,
    layers: join(root, 'dir'),
    aside: join(root, 'aside'),
    kept: join(root, 'kept'),
    layer: (id) => join(root, 'dir', id),
  }
}

/** Makes what is missing of the directories, and puts their names on stable storage. */
export async function openHome(root: string, sys: Sys): Promise<Home> {
  const home = homeAt(root)
  const top = await makeDirectory(root, true)
  if (top !== undefined) await chmod(root, PRIVATE)
  const madeLayers = await makeDirectory(home.layers, false)
  await setMode(home.layers, PRIVATE)
  await syncNames(sys, home.layers, top ?? madeLayers)
  return home
}

/** The topmost directory that was made. */
async function makeDirectory(path: string, recursive: boolean): Promise<string | undefined> {
  try {
    if (recursive) return await mkdir(path, { recursive, mode: 0o700 })
    await mkdir(path, 0o700)
    return path
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  }
}
