import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type CacheID, LayerError } from '@varve/core'
import type { Stack } from '@varve/overlayfs'
import type { Home } from '../home.ts'
import { lowersOf, readShortName, restoreLinks } from './short-names.ts'

/** What a layer is made of, and how it may be mounted. */
export interface Layout {
  /** What it has of its own. */
  readonly diff: string
  /** All of it as a read-only stack; undefined for a base layer, whose own files are all. */
  readonly view: Stack | undefined
  /** The same with its own files on top to be changed. */
  readonly writable: Stack | undefined
  /** Whether `parent` is what it stands on directly. */
  standsOn(parent: CacheID): Promise<boolean>
}

/** @throws LayerError `ERR_CORRUPT_LAYER` if a layer beneath cannot be found */
export async function layoutOf(home: Home, id: CacheID): Promise<Layout> {
  const diff = home.diff(id)
  const names = await lowersOf(home, id)
  await requireLinks(home, id, names)
  const lowers = names.map((name) => join(home.links, name))
  const isBase = lowers.length === 0
  return {
    diff,
    view: isBase ? undefined : { lowers: [diff, ...lowers] },
    writable: isBase ? undefined : { lowers, upper: { diff, work: join(home.layer(id), 'work') } },
    async standsOn(parent) {
      const name = await readShortName(home.layer(parent))
      return name !== undefined && name === names[0]
    },
  }
}

async function requireLinks(home: Home, id: CacheID, names: readonly string[]): Promise<void> {
  // Not asynchronous: a hundred times some microseconds, and a turn for each would be the most of it.
  const lost = () => names.find((name) => !existsSync(join(home.links, name)))
  if (lost() === undefined) return
  if (home.writable) await restoreLinks(home)
  const name = lost()
  if (name === undefined) return
  throw new LayerError('ERR_CORRUPT_LAYER', `Cannot read layer ${id}: l/${name} is missing`, {
    data: { id, link: name },
    hint: 'A layer beneath it was removed or lost; register the layers again',
  })
}
