import { lstat, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import type { Sys } from '@varve/sys'

/** Flushes every file and directory of a tree, where there is no way to flush all at once. */
export async function syncTree(path: string, sys: Sys): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) await syncTree(child, sys)
    else if (entry.isFile()) await syncFile(child)
  }
  await sys.syncDirectory(path)
}

async function syncFile(path: string): Promise<void> {
  const writable = ((await lstat(path)).mode & 0o200) !== 0
  // Windows flushes only what is open for writing.
  const handle = await open(path, writable && process.platform === 'win32' ? 'r+' : 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
