import { mkdir, readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { asCacheID, type CacheID, isCacheID, LayerError } from '@varve/core'
import { isThere, writeSynced } from '@varve/trees'
import { notFound } from './errors.ts'

/**
 * The folder of all layers, as Docker's `<data root>\windowsfilter`.
 *
 * ```text
 * <root>/
 *   <id>/                 a layer: see the README
 *     layerchain.json     folders of the layers beneath, nearest first; `null` if there is none
 *     layerId             the service's name of it, if it has another one
 *     sandboxSize         of a read-write layer, if a size was asked for
 *   <id>-removing/        one that is being deleted
 *   <id>-resetting/       a new disk for one that is being reset
 *   aside/<random>/       payloads that no layer holds
 * ```
 */
export class Home {
  readonly root: string

  constructor(root: string) {
    this.root = root
  }

  get aside(): string {
    return join(this.root, 'aside')
  }

  /** A layer's folder; whatever an id looks like, it is in the root. */
  dir(id: string): string {
    return join(this.root, basename(id))
  }

  async make(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o700 })
  }

  async has(id: string): Promise<boolean> {
    return await isThere(this.dir(id))
  }

  /** @throws LayerError `ERR_LAYER_NOT_FOUND` */
  async find(id: CacheID): Promise<void> {
    if (!(await this.has(asCacheID(id)))) throw notFound(id)
  }

  /** Whether others can stand on a layer. */
  async hasFiles(name: string): Promise<boolean> {
    return await isThere(join(this.dir(name), 'Files'))
  }

  /** Where a read-write layer has its disk. */
  disk(name: string): string {
    return join(this.dir(name), 'sandbox.vhdx')
  }

  async isReadWrite(name: string): Promise<boolean> {
    return await isThere(this.disk(name))
  }

  async list(): Promise<CacheID[]> {
    return (await readdir(this.root)).filter(isCacheID)
  }

  /** Names of folders that an interrupted call has left. */
  async halfDone(): Promise<string[]> {
    return (await readdir(this.root)).filter((name) => HALF_DONE.test(name))
  }

  /** What the service calls a layer. Docker writes `layerId` and reads `layerID`: one file on NTFS. */
  async resolve(id: string): Promise<string> {
    for (const name of ['layerId', 'layerID']) {
      const text = await readIfAny(join(this.dir(id), name))
      if (text === undefined) continue
      if (text === '' || basename(text) !== text || text === '..') throw corrupt(id, name)
      return text
    }
    return id
  }

  async setAlias(id: string, alias: string): Promise<void> {
    await writeSynced(join(this.dir(id), 'layerId'), alias, 0o600)
  }

  /** Folders of the layers beneath, nearest first. @throws LayerError `ERR_CORRUPT_METADATA` */
  async chain(id: string): Promise<string[]> {
    const text = await readIfAny(join(this.dir(id), CHAIN))
    if (text === undefined) return []
    let chain: unknown
    try {
      chain = JSON.parse(text) as unknown
    } catch (cause) {
      throw corrupt(id, CHAIN, cause)
    }
    if (chain === null) return []
    if (Array.isArray(chain) && chain.every((path) => typeof path === 'string')) return chain
    throw corrupt(id, CHAIN)
  }

  /** The size that was asked for a read-write layer in bytes, if one was. */
  async size(id: string): Promise<bigint | undefined> {
    const text = await readIfAny(join(this.dir(id), SIZE))
    if (text === undefined) return undefined
    if (!/^[0-9]{1,19}$/.test(text)) throw corrupt(id, SIZE)
    return BigInt(text)
  }

  async setSize(id: string, bytes: bigint): Promise<void> {
    await writeSynced(join(this.dir(id), SIZE), String(bytes), 0o600)
  }

  async setChain(id: string, chain: readonly string[]): Promise<void> {
    await writeSynced(join(this.dir(id), CHAIN), chainText(chain), 0o600)
  }
}

/** Behind the id of a layer that is being deleted. */
export const REMOVING = '-removing'
/** Behind the id of a layer whose disk is to be that of this one. */
export const RESETTING = '-resetting'
const HALF_DONE = /-(?:removing|resetting)$/
const SIZE = 'sandboxSize'
const CHAIN = 'layerchain.json'

/** The very bytes of Go's `json.Marshal`: `null` for no chain, some characters escaped. */
export function chainText(chain: readonly string[]): string {
  if (chain.length === 0) return 'null'
  return JSON.stringify(chain).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function corrupt(id: string, file: string, cause?: unknown): LayerError {
  return new LayerError('ERR_CORRUPT_METADATA', `Cannot read layer ${id}: its ${file} is damaged`, {
    cause,
    data: { id, file },
  })
}

async function readIfAny(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
