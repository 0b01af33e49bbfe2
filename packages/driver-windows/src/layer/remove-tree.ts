import { rm } from 'node:fs/promises'
import process from 'node:process'

/**
 * Deletes a folder and all in it, if it is there. Windows keeps a deleted file's name for as long as
 * anybody has it open, virus scanners too, and the folder is not empty until then: it is tried again
 * for some seconds.
 */
export async function removeTree(path: string): Promise<void> {
  const maxRetries = process.platform === 'win32' ? 10 : 0
  await rm(path, { recursive: true, force: true, maxRetries })
}
