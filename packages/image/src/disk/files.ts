/**
 * Small files read whole, and written so that they appear whole or not at all, also after a power
 * loss.
 *
 * @module
 */
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LayerError } from '@varve/core'
import type { Sys } from '@varve/sys'
import { MAX_JSON_BYTES } from '../document/json.ts'

/** Modes as Docker gives them (moby, `image/fs.go`, `reference/store.go`). */
const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600

/** Whether an error says that there is no such file. */
export function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** A file's bytes; undefined without one. @throws LayerError `ERR_LIMIT_EXCEEDED` above 8 MiB */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(path)
    if (size > MAX_JSON_BYTES) {
      throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read ${path}: it is too large`, {
        data: { path, size, limit: MAX_JSON_BYTES },
      })
    }
    return await readFile(path)
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw error
  }
}

/** The names in a directory, sorted; none without the directory. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort()
  } catch (error) {
    if (isAbsence(error)) return []
    throw error
  }
}

/** Makes a directory and those above it, and puts the new ones on stable storage. */
export async function ensureDirectory(sys: Sys, path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: DIRECTORY_MODE })
  if (first === undefined) return
  const top = dirname(first)
  for (let dir = dirname(path); dir.length >= top.length; dir = dirname(dir)) {
    await sys.syncDirectory(dir)
    if (dir === dirname(dir)) return
  }
}

/** A new file to fill and then {@link publish}. */
export async function createFile(path: string): Promise<FileHandle> {
  return await open(path, 'wx+', FILE_MODE)
}

/** Writes everything of a chunk at the file's position, however many calls it takes. */
export async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, at, chunk.length - at)
    at += bytesWritten
  }
}

/** Gives a finished file, already synced, its name; a file of that name is replaced. */
async function publish(sys: Sys, from: string, to: string): Promise<void> {
  await ensureDirectory(sys, dirname(to))
  await rename(from, to)
  await sys.syncDirectory(dirname(to))
}

/** Writes a file by way of one in `temporary`, which must be on the same file system. */
export async function writeDurably(
  sys: Sys,
  path: string,
  bytes: Uint8Array,
  temporary: string,
): Promise<void> {
  {
    await using file = await createFile(temporary)
    await writeAll(file, bytes)
    await file.sync()
  }
  await publish(sys, temporary, path)
}

/** Removes a file or directory, if it is there, for good. */
export async function removeDurably(sys: Sys, path: string): Promise<void> {
  try {
    await stat(dirname(path))
  } catch (error) {
    if (isAbsence(error)) return
    throw error
  }
  await rm(path, { recursive: true, force: true })
  await sys.syncDirectory(dirname(path))
}

/** Everything in a directory is removed, for good. */
export async function emptyDirectory(sys: Sys, path: string): Promise<void> {
  const names = await namesIn(path)
  for (const name of names) await rm(join(path, name), { recursive: true, force: true })
  if (names.length > 0) await sys.syncDirectory(path)
}
