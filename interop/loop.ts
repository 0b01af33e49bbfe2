import { mkdir, rm } from 'node:fs/promises'
import { run } from './run.ts'

/** A file system of its own in a file, until disposed of. */
export interface Loop extends AsyncDisposable {
  readonly path: string
}

/**
 * Makes an ext4 and mounts it: overlay needs one that is no overlay itself, and tmpfs lacks what
 * Docker asks for.
 *
 * @param path where it is mounted; the file is beside it
 */
export async function loopExt4(path: string): Promise<Loop> {
  const file = `${path}.ext4`
  await rm(file, { force: true })
  await mkdir(path, { recursive: true })
  await run('truncate', ['-s', '4G', file])
  await run('mkfs.ext4', ['-q', '-F', file])
  await run('mount', ['-o', 'loop', file, path])
  return {
    path,
    async [Symbol.asyncDispose]() {
      await run('umount', [path])
      await rm(file)
    },
  }
}
