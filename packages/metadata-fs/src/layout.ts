import { join } from 'node:path'
import { type CacheID, type ChainID, isCacheID, LayerError } from '@varve/core'

/**
 * Where everything is. Docker's own are moby's `daemon/internal/layer/filestore.go`; `varve/` is
 * ours, and Docker, which looks into `sha256`, `tmp` and `mounts` only, never sees it.
 */
export interface Layout {
  /** Docker's `image/<driver>/layerdb`. */
  readonly root: string
  /** Listed layers, and removals under way. */
  readonly layers: string
  /** Changes under way. */
  readonly tmp: string
  readonly mounts: string
  readonly own: string
  /** Locked, never written, never unlinked. */
  readonly lock: string
  readonly revision: string
  readonly version: string
  /** One lock file for each opened store, and what it holds. */
  readonly owners: string
  /** Removals of several layers that are not decided yet. */
  readonly journals: string
  /** Marks of layers that are not on stable storage yet. */
  readonly unsynced: string
  /** Damaged metadata that was moved out of the way. */
  readonly quarantine: string
}

/** The layout of a layerdb directory. */
export function layoutOf(root: string): Layout {
  const own = join(root, 'varve')
  return {
    root,
    layers: join(root, 'sha256'),
    tmp: join(root, 'tmp'),
    mounts: join(root, 'mounts'),
    own,
    lock: join(own, 'lock'),
    revision: join(own, 'revision'),
    version: join(own, 'version'),
    owners: join(own, 'owners'),
    journals: join(own, 'journals'),
    unsynced: join(own, 'unsynced'),
    quarantine: join(own, 'quarantine'),
  }
}

/** Names of a layer's files (moby `filestore.go`). */
export const LAYER_FILE = {
  diff: 'diff',
  size: 'size',
  cacheID: 'cache-id',
  parent: 'parent',
  descriptor: 'descriptor.json',
  tarSplit: 'tar-split.json.gz',
} as const satisfies Readonly<Record<string, string>>

/** Names of a mount's files (moby `filestore.go`). */
export const MOUNT_FILE = {
  mountID: 'mount-id',
  initID: 'init-id',
  parent: 'parent',
  /** Ours; Docker takes no notice of it. */
  annotations: 'annotations.json',
} as const satisfies Readonly<Record<string, string>>

/** An owner's id: 32 hex digits. */
export type OwnerID = string

const OWNER = /^[0-9a-f]{32}$/
const LAYER = /^[0-9a-f]{64}$/
// What follows the owner in ours can never be mistaken for Docker's os.MkdirTemp digits.
const WRITE_SET = /^write-set-([0-9a-f]{32})-[0-9a-z]+((?:-[0-9a-f]{64}i?)*)$/
/** moby since 1.13, and up to 1.12: `os.MkdirTemp(tmp, "write-set-")`, `ioutil.TempDir(tmp, "layer-")`. */
const DOCKER_STAGING = /^(?:write-set|layer)-[0-9]+$/
/** moby `layer_store.go`, since 20.10: the chain, 64 random hex digits, "removing". */
const REMOVING = /^([0-9a-f]{64})-([0-9a-f]{32})[0-9a-f]{32}-removing$/
const MOUNT_REMOVING = /^mount-([0-9a-f]{32})-[0-9a-z]+-(.*)-removing$/
const JOURNAL = /^([0-9a-f]{32})-[0-9a-z]+$/
const MARK = /^([0-9a-f]{64})\.([\w-]{1,64})$/

/** Longest file name everywhere (`NAME_MAX`). */
const NAME_MAX = 255

/** Whether a name is an owner's. */
export function isOwnerName(name: string): boolean {
  return OWNER.test(name)
}

/** Whether a name is a layer's: the hex digits of its ChainID. */
export function isLayerName(name: string): boolean {
  return LAYER.test(name)
}

/**
 * A write-set's name. It says whose the change is and which driver layers it is about to make, so
 * that making the directory is at once the whole durable intent, and renaming it ends the intent.
 */
export function writeSetName(owner: OwnerID, serial: string, ids: readonly CacheID[]): string {
  const name = ['write-set', owner, serial, ...ids.map((id) => id.replace(/-init$/, 'i'))].join('-')
  if (name.length <= NAME_MAX) return name
  throw new LayerError(
    'ERR_INVALID_ARGUMENT',
    `Cannot begin a change of ${ids.length} driver layers: their ids do not fit in a file name`,
  )
}

/** Something under way, as its name tells. */
export interface UnderWay {
  /** Undefined for Docker's own. */
  readonly owner: OwnerID | undefined
  readonly cacheIDs: readonly CacheID[]
}

/** What a write-set's name tells; undefined for any other name. */
export function parseWriteSet(name: string): UnderWay | undefined {
  if (DOCKER_STAGING.test(name)) return { owner: undefined, cacheIDs: [] }
  const match = WRITE_SET.exec(name)
  if (!match) return undefined
  const ids = (match[2] ?? '').split('-').map((id) => id.replace(/i$/, '-init'))
  return { owner: match[1], cacheIDs: ids.filter(isCacheID) }
}

/** A removed layer's name: Docker's, with our owner as the first half of its random digits. */
export function removingName(hex: string, owner: OwnerID, random: string): string {
  return `${hex}-${owner}${random}-removing`
}

/** The layer and owner of a removal; Docker's random digits are the name of no living owner. */
export function parseRemoving(name: string): { hex: string; owner: OwnerID } | undefined {
  const [, hex, owner] = REMOVING.exec(name) ?? []
  return hex && owner ? { hex, owner } : undefined
}

/** A removed mount's name in `tmp`. */
export function mountRemovingName(owner: OwnerID, serial: string, mount: string): string {
  return `mount-${owner}-${serial}-${mount.slice(0, 150)}-removing`
}

/** The owner and the (shortened) mount name of a removed mount. */
export function parseMountRemoving(name: string): { owner: OwnerID; mount: string } | undefined {
  const [, owner, mount] = MOUNT_REMOVING.exec(name) ?? []
  return owner && mount !== undefined ? { owner, mount } : undefined
}

/** The owner of a journal. */
export function parseJournal(name: string): OwnerID | undefined {
  return JOURNAL.exec(name)?.[1]
}

/** The layer of a mark and the boot that it was made in. */
export function parseMark(name: string): { hex: string; boot: string } | undefined {
  const [, hex, boot] = MARK.exec(name) ?? []
  return hex && boot ? { hex, boot } : undefined
}

/** The ChainID of a layer's name. */
export function chainIDOfName(hex: string): ChainID {
  return `sha256:${hex}` as ChainID
}
