/**
 * Files: read with a bound, written whole and synced.
 *
 * Reading is synchronous, because a call on a small file takes microseconds; flushes wait for a
 * disk and are not.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
} from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LayerError } from '@varve/core'
import type { Sys } from '@varve/sys'
import { DIRECTORY_MODE, FILE_MODE } from './layout.ts'

/** The largest document of an image that is read; the same limit as that of `@varve/image`. */
const MAX_DOCUMENT = 8 * 2 ** 20
/** Neither a link nor a FIFO in a damaged graph may lead astray or block. Absent on Windows. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
const CHUNK = 2 ** 16

/** A small file whole; undefined without one. @throws LayerError `ERR_LIMIT_EXCEEDED` */
export function readIfThere(path: string): Uint8Array | undefined {
  const fd = unlessMissing(() => openSync(path, READ_FLAGS))
  if (fd === undefined) return undefined
  try {
    const chunks: Buffer[] = []
    for (let length = 0; ; ) {
      const chunk = Buffer.allocUnsafe(CHUNK)
      const count = readSync(fd, chunk, 0, CHUNK, null)
      if (count === 0) return Buffer.concat(chunks)
      chunks.push(chunk.subarray(0, count))
      length += count
      if (length > MAX_DOCUMENT) {
        throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read ${path}: it is too large`, {
          data: { path, limit: MAX_DOCUMENT },
        })
      }
    }
  } finally {
    closeSync(fd)
  }
}

/** A small text file without white space around it; undefined without one. */
export function readText(path: string): string | undefined {
  const bytes = readIfThere(path)
  return bytes && new TextDecoder().decode(bytes).trim()
}

/** What is in a directory; nothing, if there is none. */
export function listNames(directory: string): string[] {
  return unlessMissing(() => readdirSync(directory)) ?? []
}

/** Whether there is anything of that name. */
export function isThere(path: string): boolean {
  return unlessMissing(() => lstatSync(path)) !== undefined
}

/** Removes a file or tree, following nothing; without one, nothing. */
export function removeTree(path: string): void {
  rmSync(path, { recursive: true, force: true })
}

/** Makes a directory for its owner only, and those above it; one that is there stays as it is. */
export function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE })
}

/** Writes a new file; on stable storage once this resolves. */
export async function writeNew(path: string, content: string | Uint8Array): Promise<void> {
  await using file = await open(path, 'wx', FILE_MODE)
  await file.writeFile(content)
  await file.sync()
}

/** Puts a file on stable storage. */
export async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  await file.sync()
}

/**
 * Replaces a file: whoever reads it finds the old content or the new, also after a power cut.
 *
 * @param tmp a directory on the same file system
 */
export async function replaceFile(
  sys: Sys,
  tmp: string,
  path: string,
  content: string | Uint8Array,
): Promise<void> {
  const temporary = join(tmp, scratchName())
  try {
    await writeNew(temporary, content)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await sys.syncDirectory(dirname(path))
}

const SCRATCH = /^scratch-[0-9a-f]{32}$/

/** A name in `_tmp` for a file that nobody will look for. */
export function scratchName(): string {
  return `scratch-${randomBytes(16).toString('hex')}`
}

/** Whether a name is one of {@link scratchName}. */
export function isScratch(name: string): boolean {
  return SCRATCH.test(name)
}

/** The errno of an operating-system error. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

function unlessMissing<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    const code = errnoOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
