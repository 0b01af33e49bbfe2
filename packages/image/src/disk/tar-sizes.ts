/**
 * How long each layer's tar is, which a tar of tars must say before it holds one. Only remembered
 * to save time: without it the layer is read twice.
 *
 * @module
 */
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DiffID, hexOf } from '@varve/core'
import { ensureDirectory, namesIn, readIfThere } from './files.ts'
import type { ImageFiles, Work } from './image-files.ts'

/** Size in bytes; undefined if it is not remembered. */
export async function tarSizeOf(files: ImageFiles, diffID: DiffID): Promise<number | undefined> {
  const bytes = await readIfThere(join(files.paths.tarSizes, hexOf(diffID)))
  if (!bytes) return undefined
  const text = new TextDecoder().decode(bytes)
  // Not synced, so that it may be empty after a power loss.
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** Remembers a size. */
export async function rememberTarSize(
  files: ImageFiles,
  work: Work,
  diffID: DiffID,
  size: number,
): Promise<void> {
  if ((await tarSizeOf(files, diffID)) === size) return
  const path = join(files.paths.tarSizes, hexOf(diffID))
  const temporary = work.path()
  await writeFile(temporary, String(size), { mode: 0o600 })
  await ensureDirectory(files.sys, files.paths.tarSizes)
  await rename(temporary, path)
}

/** Forgets the sizes of all other layers. */
export async function keepTarSizes(files: ImageFiles, keep: ReadonlySet<DiffID>): Promise<void> {
  const { tarSizes } = files.paths
  const names = new Set([...keep].map(hexOf))
  for (const name of await namesIn(tarSizes)) {
    if (!names.has(name)) await rm(join(tarSizes, name), { force: true })
  }
}
