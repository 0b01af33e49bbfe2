import { posix } from 'node:path'
import { collect, LayerError } from '@varve/core'
import { MAX_JSON_BYTES } from '../document/json.ts'

/** How {@link FileTree.open} reads. */
export interface ReadOptions {
  readonly signal?: AbortSignal | undefined
}

/** Files of an archive or a directory, by name. Names are `/`-separated and relative. */
export interface FileTree extends AsyncDisposable {
  /** For messages: a path, or what stands for one. */
  readonly label: string
  /**
   * Size of a regular file in bytes, links within the tree followed; undefined without one.
   *
   * @throws LayerError `ERR_UNSAFE_PATH` if the name or a link leads out of the tree
   */
  size(name: string): Promise<number | undefined>
  /**
   * A regular file's bytes. A chunk is good until the next one is asked for.
   *
   * @throws LayerError `ERR_BLOB_NOT_FOUND`, `ERR_UNSAFE_PATH`, `ERR_TRUNCATED`
   */
  open(name: string, options?: ReadOptions): AsyncIterable<Uint8Array>
  /** Names of the directories at its top, in no order. */
  directories(): Promise<readonly string[]>
}

/**
 * A name out of a document as a clean relative path.
 *
 * @throws LayerError `ERR_UNSAFE_PATH` for an absolute path and one with `..` that leads outside
 */
export function safeName(name: string, label: string): string {
  const clean = posix.normalize(name)
  const unsafe =
    name === '' ||
    name.includes('\0') ||
    clean.startsWith('/') ||
    clean === '..' ||
    clean.startsWith('../')
  if (unsafe) {
    throw new LayerError(
      'ERR_UNSAFE_PATH',
      `Cannot read ${label}: the name ${JSON.stringify(name.slice(0, 300))} leads outside`,
      { data: { name: name.slice(0, 4096) } },
    )
  }
  return clean.endsWith('/') ? clean.slice(0, -1) : clean
}

/** The error for a file that a document names and that is not there. */
export function missing(name: string, label: string): LayerError {
  return new LayerError('ERR_BLOB_NOT_FOUND', `Cannot read ${label}: ${name} is missing`, {
    data: { name },
    hint: 'The image is incomplete; make or copy it again',
  })
}

/** A small file whole. @throws LayerError `ERR_BLOB_NOT_FOUND`, `ERR_LIMIT_EXCEEDED` */
export async function readSmall(
  tree: FileTree,
  name: string,
  options?: ReadOptions,
): Promise<Uint8Array> {
  const size = await tree.size(name)
  if (size === undefined) throw missing(name, tree.label)
  if (size > MAX_JSON_BYTES) {
    throw new LayerError('ERR_LIMIT_EXCEEDED', `Cannot read ${tree.label}: ${name} is too large`, {
      data: { name, size, limit: MAX_JSON_BYTES },
    })
  }
  return await collect(tree.open(name, options), MAX_JSON_BYTES)
}
