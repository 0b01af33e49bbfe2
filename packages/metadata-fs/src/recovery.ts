import { join } from 'node:path'
import { type CacheID, hexOf, type LayerRecord, type Pending } from '@varve/core'
import { attempting, type Context } from './context.ts'
import { isThere, listNames, removeTree } from './files.ts'
import { takeBackJournals } from './journal.ts'
import {
  chainIDOfName,
  type Layout,
  MOUNT_FILE,
  type OwnerID,
  parseMountRemoving,
  parseRemoving,
  parseWriteSet,
} from './layout.ts'
import { isMountInQuarantine } from './quarantine.ts'
import { cacheIDsIn, readLayer, readStagedLayer } from './records.ts'

type IsAlive = (owner: OwnerID) => boolean

/** A directory of something under way. */
interface Found extends Pick<Pending, 'kind' | 'cacheIDs' | 'subject'> {
  readonly owner: OwnerID | undefined
  readonly dir: string
}

/** See `MetadataStore.interrupted`. Call it under the exclusive lock. */
export async function findInterrupted(ctx: Context, isAlive: IsAlive): Promise<Pending[]> {
  await takeBackJournals(ctx, isAlive)
  ctx.marks.sweep()
  return [...changes(ctx), ...mountRemovals(ctx), ...layerRemovals(ctx)]
    .filter(({ owner }) => owner === undefined || !isAlive(owner))
    .map((found) => pending(ctx, found))
}

/** See `MetadataStore.intended`. */
export function findIntended(ctx: Context, isAlive: IsAlive): Set<CacheID> {
  const ids = new Set<CacheID>()
  for (const found of [...changes(ctx), ...mountRemovals(ctx), ...layerRemovals(ctx)]) {
    if (found.owner !== undefined && isAlive(found.owner)) {
      for (const id of found.cacheIDs) ids.add(id)
    }
  }
  for (const name of listNames(ctx.layout.quarantine)) {
    if (!isMountInQuarantine(name)) continue
    for (const id of cacheIDsIn(join(ctx.layout.quarantine, name))) ids.add(id)
  }
  return ids
}

function pending(ctx: Context, { kind, cacheIDs, subject, dir }: Found): Pending {
  const attempt = `Cannot forget ${subject}`
  return {
    kind,
    cacheIDs,
    subject,
    finish: () =>
      attempting(attempt, () => {
        ctx.writer(attempt)
        removeTree(dir)
      }),
  }
}

/** Write-sets: ours, which name their driver layers, and Docker's, which may hold a `cache-id`. */
function* changes({ layout }: Context): Generator<Found> {
  for (const name of listNames(layout.tmp)) {
    const parsed = parseWriteSet(name)
    if (!parsed) continue
    const dir = join(layout.tmp, name)
    const all = new Set([...parsed.cacheIDs, ...cacheIDsIn(dir)])
    const cacheIDs = [...all].filter(notListed(layout, readStagedLayer(dir)))
    const create = all.size > 1 || isThere(join(dir, MOUNT_FILE.mountID))
    yield {
      kind: create ? 'create' : 'register',
      owner: parsed.owner,
      cacheIDs,
      subject: describe(create ? 'creation of a read-write layer' : 'registration', cacheIDs),
      dir,
    }
  }
}

/**
 * A damaged file system may show one directory under two names: what is listed is never taken for
 * unfinished.
 */
function notListed(layout: Layout, staged: LayerRecord | undefined): (id: CacheID) => boolean {
  const listed = staged && readLayer(layout, hexOf(staged.chainID))?.record
  return (id) => id !== listed?.cacheID
}

function* mountRemovals({ layout }: Context): Generator<Found> {
  for (const name of listNames(layout.tmp)) {
    const parsed = parseMountRemoving(name)
    if (!parsed) continue
    const dir = join(layout.tmp, name)
    const cacheIDs = cacheIDsIn(dir)
    const subject = `removal of read-write layer ${parsed.mount}`
    yield { kind: 'remove-mount', owner: parsed.owner, cacheIDs, subject, dir }
  }
}

/** Docker's too: its 64 random digits begin with the name of no living owner. */
function* layerRemovals({ layout }: Context): Generator<Found> {
  for (const name of listNames(layout.layers)) {
    const parsed = parseRemoving(name)
    if (!parsed) continue
    const dir = join(layout.layers, name)
    const listed = readLayer(layout, parsed.hex)?.record
    const cacheIDs = cacheIDsIn(dir).filter((id) => id !== listed?.cacheID)
    const subject = `removal of layer ${chainIDOfName(parsed.hex)}`
    yield { kind: 'remove', owner: parsed.owner, cacheIDs, subject, dir }
  }
}

function describe(what: string, cacheIDs: readonly CacheID[]): string {
  const id = cacheIDs[0]
  return id ? `${what} (driver layer ${id.slice(0, 12)})` : what
}
