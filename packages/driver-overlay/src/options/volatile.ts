import { rmSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, LayerError } from '@varve/core'
import { writeSynced } from '@varve/trees'
import type { Home } from '../home.ts'
import type { Parts } from '../parts.ts'

/**
 * In the directory of a volatile layer: the boot in which it was mounted, nothing before that.
 *
 * What is written to a volatile mount is never put on stable storage on purpose, whoever asks. As
 * long as the machine runs it is in the page cache, also when the process that mounted it is killed.
 * After a restart any of it may be missing or half there, and nothing tells which; so it is then
 * refused, until it is thrown away.
 */
const fileOf = (home: Home, id: CacheID) => join(home.layer(id), 'volatile')

/** Makes a layer volatile that has not been mounted yet, or has been reset. */
export async function markVolatile({ home }: Parts, id: CacheID): Promise<void> {
  await writeSynced(fileOf(home, id), '', 0o600)
}

/** Whether a layer is volatile. */
export async function isVolatile({ home }: Parts, id: CacheID): Promise<boolean> {
  return (await readMark(home, id)) !== undefined
}

/**
 * Refuses a volatile layer that was mounted before the machine was restarted.
 *
 * @returns the mark of a volatile layer
 * @throws LayerError `ERR_CORRUPT_LAYER`
 */
export async function requireSound({ home, sys }: Parts, id: CacheID): Promise<Mark | undefined> {
  const seen = await readMark(home, id)
  if (seen === undefined) return undefined
  const boot = (await sys.bootId()) ?? 'unknown'
  if (seen === '' || seen === boot) return { seen, boot }
  throw new LayerError(
    'ERR_CORRUPT_LAYER',
    `Cannot use layer ${id}: it is volatile, and the machine was restarted since it was mounted`,
    { data: { id }, hint: 'Reset it, or remove it' },
  )
}

/** A volatile layer's mark, and what it must say once it is mounted. */
interface Mark {
  readonly seen: string
  readonly boot: string
}

/**
 * Refuses, or lets a layer be mounted, which is written down before anything can be written to it.
 *
 * @returns whether it is volatile
 */
export async function beginMount(parts: Parts, id: CacheID): Promise<boolean> {
  const mark = await requireSound(parts, id)
  if (!mark) return false
  if (mark.seen === '') await writeSynced(fileOf(parts.home, id), mark.boot, 0o600)
  return true
}

/**
 * Takes away what the kernel leaves so that nobody mounts a volatile layer again without having
 * thought about it (Linux `Documentation/filesystems/overlayfs.rst`, "Volatile mount").
 */
export function clearKernelMark(work: string): void {
  rmSync(join(work, 'work', 'incompat', 'volatile'), { recursive: true, force: true })
}

/** After a layer's changes were thrown away. */
export async function forgetVolatileChanges(parts: Parts, id: CacheID): Promise<void> {
  if (!(await isVolatile(parts, id))) return
  await rm(join(parts.home.layer(id), 'work', 'work', 'incompat'), { recursive: true, force: true })
  await markVolatile(parts, id)
}

async function readMark(home: Home, id: CacheID): Promise<string | undefined> {
  try {
    return await readFile(fileOf(home, id), 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
