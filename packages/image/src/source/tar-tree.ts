import type { FileHandle } from 'node:fs/promises'
import { LayerError } from '@varve/core'
import { type FileTree, missing, safeName } from './file-tree.ts'
import { readRange } from './read-range.ts'
import { indexTar, type TarEntry } from './tar-index.ts'

/** `docker save` once wrote each layer that two images share as a symlink to the first. */
const MAX_LINKS = 16

/**
 * A tar in a file as a tree: bodies are read in place, nothing is copied. Takes the file over and
 * closes it.
 *
 * @throws LayerError `ERR_INVALID_IMAGE`, `ERR_TRUNCATED`, `ERR_UNSAFE_PATH`
 */
export async function openTarTree(file: FileHandle, label: string): Promise<FileTree> {
  const entries = await indexTar(file, label)

  const find = (name: string): Extract<TarEntry, { kind: 'file' }> | undefined => {
    let path = safeName(name, label)
    for (let links = 0; links <= MAX_LINKS; links++) {
      const entry = entries.get(path)
      if (!entry || entry.kind === 'file') return entry
      path = safeName(entry.target, label)
    }
    throw new LayerError('ERR_INVALID_IMAGE', `Cannot read ${label}: links of ${name} never end`, {
      data: { name },
    })
  }

  return {
    label,
    size: async (name) => find(name)?.size,
    async *open(name, options) {
      const entry = find(name)
      if (!entry) throw missing(name, label)
      const { start, size } = entry
      yield* readRange(file, { start, size, label: `${name} in ${label}`, signal: options?.signal })
    },
    async directories() {
      const names = [...entries.keys()].flatMap((name) => /^[^/]+(?=\/)/.exec(name) ?? [])
      return [...new Set(names)]
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}
