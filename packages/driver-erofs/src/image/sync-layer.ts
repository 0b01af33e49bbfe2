import { open } from 'node:fs/promises'
import type { CacheID } from '@varve/core'
import type { Sys } from '@varve/sys'
import { isThere, type Trees } from '@varve/trees'
import type { Home } from '../home.ts'

/** Puts layers on stable storage: of a read-only one that is one file and a few names. */
export async function syncLayers(
  home: Home,
  sys: Sys,
  trees: Trees,
  ids: readonly CacheID[],
): Promise<void> {
  for (const id of ids) {
    if (await isThere(home.diff(id))) {
      await trees.sync(home.layer(id), ['diff'])
    } else if (await isThere(home.image(id))) {
      await using file = await open(home.image(id), 'r')
      await file.sync()
    }
    await sys.syncDirectory(home.layer(id))
  }
  if (ids.length > 0) await sys.syncDirectory(home.root)
}
