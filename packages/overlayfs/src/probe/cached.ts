import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { release } from 'node:os'
import type { Sys } from '@varve/sys'
import { writeSynced } from '@varve/trees'
import { MOUNT_METHODS } from '../mounting/stack.ts'
import type { Features } from './features.ts'

/** Changes whenever {@link Features} or the way they are found out does. */
const VERSION = 2

/** Which file system, and where what was found out about it is kept. */
export interface ProbePlace {
  readonly root: string
  readonly probes: string
}

interface Cached {
  readonly key: string
  readonly features: Features
}

/**
 * What was found out since the machine was started, on this file system, in this user namespace;
 * otherwise finds it out and writes it down.
 */
export async function cachedFeatures<T extends Features>(
  place: ProbePlace,
  sys: Sys,
  find: () => Promise<T>,
): Promise<T> {
  const boot = await sys.bootId()
  if (boot === undefined) return find()
  const key = await keyOf(place, boot)
  const cached = await readCached(place.probes)
  // The same place is asked by one driver only, for one kind of features.
  if (cached?.key === key) return cached.features as T
  const features = await find()
  await writeSynced(place.probes, JSON.stringify({ key, features } satisfies Cached), 0o600)
  return features
}

async function keyOf(place: ProbePlace, boot: string): Promise<string> {
  const { dev } = await stat(place.root, { bigint: true })
  const namespace = await readFile('/proc/self/uid_map', 'latin1')
  const parts = [VERSION, boot, release(), dev, namespace.replace(/\s+/g, ' ')]
  return createHash('sha256').update(parts.join('\n')).digest('hex')
}

/** What is damaged is found out anew. */
async function readCached(path: string): Promise<Cached | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { key, features } = JSON.parse(text) as Cached
    return MOUNT_METHODS.includes(features.method) ? { key, features } : undefined
  } catch {
    return undefined
  }
}
