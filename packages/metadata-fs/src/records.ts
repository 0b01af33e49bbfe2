import { statSync } from 'node:fs'
import { join } from 'node:path'
import {
  asMountName,
  type CacheID,
  type ChainID,
  chainIDOf,
  type DiffID,
  isCacheID,
  isDigest,
  type LayerRecord,
  type MountRecord,
} from '@varve/core'
import { encodeAnnotations, readAnnotations } from './annotations.ts'
import { encodeDescriptor, parseDescriptor } from './descriptor.ts'
import { errnoOf, isThere, readSmallFile } from './files.ts'
import { chainIDOfName, LAYER_FILE, type Layout, MOUNT_FILE } from './layout.ts'

/** What a directory holds: a record, or the reason why it holds none. */
export type Stored<T> =
  | { readonly record: T; readonly damage?: undefined }
  | { readonly record?: undefined; readonly damage: string }

/** Text files hold a digest, an id or a number. */
const TEXT_LIMIT = 512
/** OCI asks registries to take manifests, with all descriptors in them, of 4 MiB. */
const DESCRIPTOR_LIMIT = 4 << 20

/** What these errors mean is that the file is not what it must be, and will never be. */
const DAMAGE_ERRNO: ReadonlySet<string> = new Set([
  'EFBIG',
  'EIO',
  'EISDIR',
  'ELOOP',
  'ENOTDIR',
  'ENXIO',
  'EUCLEAN',
])

class Unusable extends Error {}

/** A layer's record from its directory; undefined if there is none. */
export function readLayer(layout: Layout, hex: string): Stored<LayerRecord> | undefined {
  return readStored(join(layout.layers, hex), (dir) => {
    const record = parseLayer(dir)
    if (record.chainID !== chainIDOfName(hex)) {
      throw new Unusable(`diff and parent are those of layer ${record.chainID}`)
    }
    return record
  })
}

/** The record in a directory of any name, as a write-set; undefined unless it is whole. */
export function readStagedLayer(dir: string): LayerRecord | undefined {
  return readStored(dir, parseLayer)?.record
}

/** A mount's record from its directory; undefined if there is none. */
export function readMount(layout: Layout, name: string): Stored<MountRecord> | undefined {
  return readStored(join(layout.mounts, name), (dir) => {
    try {
      asMountName(name)
    } catch {
      throw new Unusable('its name is none that a read-write layer can have')
    }
    const mountID = required(dir, MOUNT_FILE.mountID, isCacheID)
    const initID = optional(dir, MOUNT_FILE.initID, isCacheID)
    const parent = optional(dir, MOUNT_FILE.parent, isDigest) as ChainID | undefined
    const annotations = readAnnotations(dir)
    return {
      name,
      mountID,
      ...(initID ? { initID } : {}),
      ...(parent ? { parent } : {}),
      ...(annotations ? { annotations } : {}),
    }
  })
}

/** The driver layers that a directory of layer or mount metadata names, damaged or not. */
export function cacheIDsIn(dir: string): CacheID[] {
  const ids: CacheID[] = []
  for (const name of [LAYER_FILE.cacheID, MOUNT_FILE.mountID, MOUNT_FILE.initID]) {
    const stored = readStored(dir, () => optional(dir, name, isCacheID))
    if (stored?.record) ids.push(stored.record)
  }
  return ids
}

/** A layer's files, as moby's `filestore.go` writes them: no newline at the end. */
export function layerFiles(record: LayerRecord): Map<string, string> {
  const files = new Map<string, string>([
    [LAYER_FILE.diff, record.diffID],
    [LAYER_FILE.size, String(record.diffSize)],
    [LAYER_FILE.cacheID, record.cacheID],
  ])
  if (record.descriptor) files.set(LAYER_FILE.descriptor, encodeDescriptor(record.descriptor))
  if (record.parent) files.set(LAYER_FILE.parent, record.parent)
  return files
}

/** A mount's files, as moby's `filestore.go` writes them: no newline at the end. */
export function mountFiles(record: MountRecord): Map<string, string> {
  const files = new Map<string, string>([[MOUNT_FILE.mountID, record.mountID]])
  if (record.initID) files.set(MOUNT_FILE.initID, record.initID)
  if (record.parent) files.set(MOUNT_FILE.parent, record.parent)
  if (record.annotations) {
    files.set(MOUNT_FILE.annotations, encodeAnnotations(record.annotations))
  }
  return files
}

function parseLayer(dir: string): LayerRecord {
  const diffID = required(dir, LAYER_FILE.diff, isDigest) as string as DiffID
  const parent = optional(dir, LAYER_FILE.parent, isDigest) as ChainID | undefined
  const cacheID = required(dir, LAYER_FILE.cacheID, isCacheID)
  const diffSize = Number(required(dir, LAYER_FILE.size, isSize))
  const json = readSmallFile(join(dir, LAYER_FILE.descriptor), DESCRIPTOR_LIMIT)
  const descriptor = json && parseDescriptor(json.toString())
  if (typeof descriptor === 'string') {
    throw new Unusable(`${LAYER_FILE.descriptor} ${descriptor}`)
  }
  assertRecordNotEmpty(dir)
  return {
    chainID: chainIDOf(parent, diffID),
    diffID,
    cacheID,
    diffSize,
    ...(parent ? { parent } : {}),
    ...(descriptor ? { descriptor } : {}),
  }
}

/** An empty file is what a power loss leaves of one that was not synced. */
function assertRecordNotEmpty(dir: string): void {
  const stat = statSync(join(dir, LAYER_FILE.tarSplit), { throwIfNoEntry: false })
  if (stat?.size === 0) throw new Unusable(`${LAYER_FILE.tarSplit} is empty`)
}

function isSize(text: string): text is string {
  return /^[0-9]+$/.test(text) && Number.isSafeInteger(Number(text))
}

function required<T extends string>(
  dir: string,
  name: string,
  isValid: (text: string) => text is T,
): T {
  const value = optional(dir, name, isValid)
  if (value === undefined) throw new Unusable(`${name} is missing`)
  return value
}

function optional<T extends string>(
  dir: string,
  name: string,
  isValid: (text: string) => text is T,
): T | undefined {
  const bytes = readSmallFile(join(dir, name), TEXT_LIMIT)
  if (bytes === undefined) return undefined
  const text = bytes.toString().trim()
  if (isValid(text)) return text
  throw new Unusable(text === '' ? `${name} is empty` : `${name} holds ${JSON.stringify(text)}`)
}

function readStored<T>(dir: string, parse: (dir: string) => T): Stored<T> | undefined {
  try {
    return { record: parse(dir) }
  } catch (error) {
    const damaged = error instanceof Unusable || DAMAGE_ERRNO.has(errnoOf(error) ?? '')
    if (!damaged) throw error
    if (!isStillThere(dir)) return undefined
    return { damage: (error as Error).message }
  }
}

/** A directory may also have gone while it was read. */
function isStillThere(dir: string): boolean {
  try {
    return isThere(dir)
  } catch (error) {
    if (DAMAGE_ERRNO.has(errnoOf(error) ?? '')) return true
    throw error
  }
}
