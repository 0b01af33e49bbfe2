import { join } from 'node:path'
import { type CacheID, LayerError } from '@varve/core'
import { isThere } from '@varve/trees'
import { type Home, parentOf } from '../home.ts'

/** As many as may stand on each other; more is a loop. */
const MAX_CHAIN = 1024

/** Whether a layer's files may be changed: it has a directory for what is. */
export function isReadWrite(home: Home, id: CacheID): Promise<boolean> {
  return isThere(home.diff(id))
}

/** Whether another layer stands on a read-write one, or did; from then on it is final. */
export function isCommitted(home: Home, id: CacheID): Promise<boolean> {
  return isThere(join(home.layer(id), 'committed'))
}

/** The layers that a layer is made of. */
export interface Chain {
  /** Directories of the read-write layers, nearest first, the layer's own included. */
  readonly upper: readonly string[]
  /** The layer whose image shows all that is beneath those; undefined if that is nothing. */
  readonly image: CacheID | undefined
}

/** @throws LayerError `ERR_CORRUPT_LAYER` if a layer beneath cannot be found */
export async function chainOf(home: Home, id: CacheID): Promise<Chain> {
  const upper: string[] = []
  let at: CacheID | undefined = id
  for (let length = 0; at !== undefined; length++) {
    if (!(await isThere(home.layer(at))) || length > MAX_CHAIN) throw broken(id, at)
    if (await isThere(home.image(at))) return { upper, image: at }
    if (await isReadWrite(home, at)) upper.push(home.diff(at))
    at = await parentOf(home, at)
  }
  return { upper, image: undefined }
}

/**
 * The layer whose image shows all that a layer shows; undefined if that is nothing.
 *
 * @throws LayerError `ERR_NOT_SUPPORTED` if there are read-write layers in between
 */
export async function imageBeneath(home: Home, id: CacheID): Promise<CacheID | undefined> {
  const { upper, image } = await chainOf(home, id)
  if (upper.length === 0) return image
  throw new LayerError(
    'ERR_NOT_SUPPORTED',
    `Cannot apply a layer on layer ${id}: that can still be changed`,
    { data: { id }, hint: 'Commit it, and apply on the layer that this makes' },
  )
}

function broken(id: CacheID, missing: CacheID): LayerError {
  return new LayerError(
    'ERR_CORRUPT_LAYER',
    `Cannot read layer ${id}: layer ${missing} is missing`,
    {
      data: { id, missing },
      hint: 'A layer beneath it was removed or lost; register the layers again',
    },
  )
}
