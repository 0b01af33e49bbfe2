import { randomBytes } from 'node:crypto'
import { open, rename } from 'node:fs/promises'

/**
 * Writes a small file so that a reader, also after a power loss, sees all of it or none.
 *
 * @param mode its permissions, whatever the umask
 */
export async function writeSynced(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  {
    await using file = await open(temporary, 'wx', mode)
    await file.chmod(mode)
    if (text !== '') await file.writeFile(text)
    await file.sync()
  }
  await rename(temporary, path)
}
