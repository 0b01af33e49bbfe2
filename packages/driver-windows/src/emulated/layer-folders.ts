import { mkdir, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type HcsDriverInfo, HcsError, type HcsLayer, HRESULT, type WinRoot } from '@varve/sys'
import { isThere } from '@varve/trees'
import { type Difference, layerDifferences } from './difference.ts'
import { EmulatedRoot, guidOfName } from './emulated-fs.ts'
import { cloneTree } from './layer-files.ts'

/** In a layer that has only what the one beneath it has. */
const FRESH = ':fresh'
const TOPS = ['Files', 'Hives'] as const

/** Where the service has a layer: an id may be a whole path. */
export function folderOf({ homeDir }: HcsDriverInfo, id: string): string {
  return homeDir === '' || id.includes('/') ? id : join(homeDir, id)
}

/** @param call whose error it is if there is no such layer */
export async function findFolder(call: string, info: HcsDriverInfo, id: string): Promise<string> {
  const dir = folderOf(info, id)
  if (await isThere(dir)) return dir
  throw new HcsError(call, HRESULT.fileNotFound, id)
}

/** @param call whose error it is if there is one already */
export async function makeFolder(call: string, info: HcsDriverInfo, id: string): Promise<string> {
  const dir = folderOf(info, id)
  if (await isThere(dir)) throw new HcsError(call, HRESULT.alreadyExists, id)
  await mkdir(dir, { mode: 0o755 })
  return dir
}

/** Each descriptor names the folder whose path it has, and that has files. */
export async function checkChain(call: string, chain: readonly HcsLayer[]): Promise<void> {
  for (const { guid, path } of chain) {
    const same = Buffer.compare(guid, guidOfName(basename(path))) === 0
    if (!same) throw new HcsError(call, HRESULT.invalidParameter, path)
    if (!(await isThere(path))) throw new HcsError(call, HRESULT.fileNotFound, path)
  }
}

/** Fills a new layer from its parent, whose folder is beside it; '' for none. */
export async function beginOn(dir: string, parent: string): Promise<void> {
  const below = parent === '' ? undefined : join(dirname(dir), basename(parent))
  if (below !== undefined && !(await isThere(below))) {
    throw new HcsError('CreateLayer', HRESULT.fileNotFound, parent)
  }
  await fillFrom(new EmulatedRoot(dir), below)
  await writeFile(join(dir, FRESH), '')
}

/** A layer that is to be imported, with all that its parent has and no more. */
export async function beginAgain(dir: string, chain: readonly HcsLayer[]): Promise<WinRoot> {
  const layer = new EmulatedRoot(dir)
  if (await isThere(join(dir, FRESH))) await rm(join(dir, FRESH))
  else await fillFrom(layer, chain[0]?.path)
  return layer
}

/** Gives a layer what the one beneath has, and nothing else. */
async function fillFrom(layer: WinRoot, path: string | undefined): Promise<void> {
  const below = path === undefined ? undefined : new EmulatedRoot(path)
  for (const top of TOPS) {
    await layer.removeAll(top)
    if (below && (await below.stat(top))) await cloneTree(below, layer, top)
    else await layer.mkdir(top)
  }
}

/** Gives an empty folder the files of another layer, shared. */
export async function copyFolder(from: string, to: string): Promise<void> {
  const source = new EmulatedRoot(from)
  const copy = new EmulatedRoot(to)
  for (const top of TOPS) if (await source.stat(top)) await cloneTree(source, copy, top)
}

/** What a read-only layer has that the one beneath it has not, and the other way round. */
export async function* folderDifferences(
  dir: string,
  chain: readonly HcsLayer[],
): AsyncGenerator<Difference> {
  const layer = new EmulatedRoot(dir)
  const below = chain[0] && new EmulatedRoot(chain[0].path)
  for (const top of TOPS) yield* layerDifferences(layer, below, top)
}
