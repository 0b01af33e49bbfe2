import { constants } from 'node:fs'
import { type FileHandle, open, readdir, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { LayerError, wrapError } from '@varve/core'
import { type FileTree, missing, safeName } from './file-tree.ts'
import { readRange } from './read-range.ts'

// Without O_NONBLOCK, opening a FIFO in the place of a file would wait for ever.
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** A directory as a tree. Symlinks may lead from file to file within it, never out of it. */
export async function openDirectoryTree(path: string): Promise<FileTree> {
  const root = await realpath(path)

  const openFile = async (name: string): Promise<FileHandle | undefined> => {
    const wanted = join(root, safeName(name, path))
    try {
      const real = await realpath(wanted)
      if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) {
        throw new LayerError('ERR_UNSAFE_PATH', `Cannot read ${path}: ${name} leads outside`, {
          data: { name, target: real },
        })
      }
      const file = await open(real, OPEN_FLAGS)
      if ((await file.stat()).isFile()) return file
      await file.close()
      throw new LayerError('ERR_INVALID_IMAGE', `Cannot read ${path}: ${name} is no regular file`, {
        data: { name },
      })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      throw wrapError(error, `Cannot read ${path}`, { name })
    }
  }

  return {
    label: path,
    async size(name) {
      await using file = await openFile(name)
      return file && (await file.stat()).size
    },
    async *open(name, options) {
      await using file = await openFile(name)
      if (!file) throw missing(name, path)
      const { size } = await file.stat()
      yield* readRange(file, {
        start: 0,
        size,
        label: `${name} in ${path}`,
        signal: options?.signal,
      })
    },
    async directories() {
      const entries = await readdir(root, { withFileTypes: true })
      return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}
