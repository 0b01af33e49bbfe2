import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'

/**
 * How often a mount is kept, in a file that holds the boot it is kept in and the number. After a
 * restart of the machine, when nothing is mounted any more, it counts for nothing; so it need not
 * outlive a power loss either, and is not synced.
 *
 * Whoever changes it holds a lock; reading needs none.
 *
 * @param boot of {@link Sys.bootId}; the same text for ever where it cannot be told
 */
export function readKept(path: string, boot: string): number {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
  const [when, count] = text.split(' ')
  return when === boot && count !== undefined && /^[1-9]\d*$/.test(count) ? Number(count) : 0
}

/** Writes the number down so that a reader sees the old one or the new one; 0 removes the file. */
export function writeKept(path: string, boot: string, count: number): void {
  if (count === 0) {
    rmSync(path, { force: true })
    return
  }
  // One name, so that what a killed process leaves is written over.
  writeFileSync(`${path}.new`, `${boot} ${count}`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
