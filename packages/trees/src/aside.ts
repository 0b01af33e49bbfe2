import { randomBytes } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import type { FileLock, Sys } from '@varve/sys'

/** A directory of this process, gone when disposed of. */
export interface Aside extends AsyncDisposable {
  readonly path: string
}

/** Deletes a directory and everything in it. */
export type RemoveTree = (path: string) => Promise<void>

/**
 * Makes a directory in `parent` that is this process's as long as it lives: it is locked, so that
 * {@link sweepAside} of another process takes it only once this one is gone.
 */
export async function openAside(parent: string, sys: Sys, remove: RemoveTree): Promise<Aside> {
  await mkdir(parent, { recursive: true, mode: 0o700 })
  for (;;) {
    const path = join(parent, randomBytes(16).toString('hex'))
    await mkdir(path, 0o700)
    const lock = tryLock(sys, path)
    // A sweeper may have come between the two; then this one is its to delete.
    if (!lock) continue
    const files = join(path, 'files')
    await mkdir(files, 0o700)
    return {
      path: files,
      async [Symbol.asyncDispose]() {
        try {
          // Nobody else shall begin to delete the same files.
          await remove(files)
        } finally {
          lock[Symbol.dispose]()
        }
        await removeUnlessTaken(path, remove)
      },
    }
  }
}

/** Deletes what dead processes left, and says how much that was. */
export async function sweepAside(parent: string, sys: Sys, remove: RemoveTree): Promise<number> {
  let swept = 0
  for (const name of await namesIn(parent)) {
    const path = join(parent, name)
    await using lock = tryLock(sys, path)
    if (!lock) continue
    // Windows deletes no file that is open. Elsewhere nobody may take it for his meanwhile.
    if (process.platform === 'win32') lock[Symbol.dispose]()
    if (await removeUnlessTaken(path, remove)) swept++
  }
  return swept
}

/** False if a sweeper has come, who makes the lock anew to take it: the rest is his to delete. */
async function removeUnlessTaken(path: string, remove: RemoveTree): Promise<boolean> {
  try {
    await remove(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
    return false
  }
}

/** Undefined if another process has it or has deleted it. */
function tryLock(sys: Sys, path: string): FileLock | undefined {
  try {
    return sys.tryLockFile(join(path, 'lock'), 'exclusive')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
