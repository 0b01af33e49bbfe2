/**
 * Files: read with a bound, written whole, synced off the main thread.
 *
 * Everything here but `fsync` is synchronous: a call on a small file takes microseconds, a trip to
 * the thread pool takes longer. `fsync` waits for a disk, so it never runs on the main thread.
 *
 * @module
 */
import {
  closeSync,
  constants,
  fsync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const fsyncAsync: (fd: number) => Promise<void> = promisify(fsync)

/** Neither a link nor a FIFO in a damaged store may lead astray or block. Absent on Windows. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** Nearly every file here fits. */
const FIRST_READ = 1024

/** The errno of an operating-system error. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** The whole file, or undefined if there is none. A longer one than `limit` bytes throws `EFBIG`. */
export function readSmallFile(path: string, limit: number): Buffer | undefined {
  const fd = unlessMissing(() => openSync(path, READ_FLAGS))
  if (fd === undefined) return undefined
  try {
    let buffer = Buffer.allocUnsafe(Math.min(limit + 1, FIRST_READ))
    for (let length = 0; ; ) {
      const count = readSync(fd, buffer, length, buffer.length - length, null)
      length += count
      if (count === 0) return buffer.subarray(0, length)
      if (length > limit) {
        throw Object.assign(new Error(`it is longer than ${limit} bytes`), { code: 'EFBIG' })
      }
      if (length === buffer.length)
        buffer = Buffer.concat([buffer], Math.min(limit + 1, 2 * length))
    }
  } finally {
    closeSync(fd)
  }
}

/** Writes all of `bytes`: the system may take fewer at a time. */
export function writeFully(fd: number, bytes: Uint8Array, position: number | null = null): void {
  let done = 0
  while (done < bytes.length) {
    const at = position === null ? null : position + done
    const count = writeSync(fd, bytes, done, bytes.length - done, at)
    if (count <= 0) throw Object.assign(new Error('nothing was written'), { code: 'EIO' })
    done += count
  }
}

/** Writes files and, if `durable`, waits until all of them are on stable storage. */
export async function writeFiles(
  files: ReadonlyMap<string, string | Uint8Array>,
  mode: number,
  durable: boolean,
): Promise<void> {
  const fds: number[] = []
  try {
    for (const [path, content] of files) {
      const fd = openSync(path, 'w', mode)
      fds.push(fd)
      writeFully(fd, typeof content === 'string' ? Buffer.from(content) : content)
    }
    // Together, so that they can share one commit of the file system's journal.
    if (durable) await allSettledOrThrow(fds.map((fd) => fsyncAsync(fd)))
  } finally {
    closeAll(fds)
  }
}

/** Puts an existing file on stable storage. */
export async function syncFile(path: string): Promise<void> {
  const fd = openSync(path, 'r+')
  try {
    await fsyncAsync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Waits for all, then throws the first failure: no call may still use a descriptor afterwards. */
async function allSettledOrThrow(calls: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(calls)) {
    if (result.status === 'rejected') throw result.reason
  }
}

function closeAll(fds: readonly number[]): void {
  let failure: { readonly error: unknown } | undefined
  for (const fd of fds) {
    try {
      closeSync(fd)
    } catch (error) {
      failure ??= { error }
    }
  }
  if (failure) throw failure.error
}

/** What is in a directory; nothing, if there is none. */
export function listNames(directory: string): string[] {
  return unlessMissing(() => readdirSync(directory)) ?? []
}

/** Whether there is anything of that name. */
export function isThere(path: string): boolean {
  return unlessMissing(() => lstatSync(path)) !== undefined
}

/** Unlinks a file, if there is one. */
export function unlinkIfAny(path: string): void {
  unlessMissing(() => unlinkSync(path))
}

/** Removes a directory and what is in it, following nothing; what is gone already is no error. */
export function removeTree(directory: string): void {
  const entries = unlessMissing(() => readdirSync(directory, { withFileTypes: true }))
  if (entries === undefined) return
  for (const entry of entries) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) removeTree(path)
    else unlinkIfAny(path)
  }
  unlessMissing(() => rmdirSync(directory))
}

function unlessMissing<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
