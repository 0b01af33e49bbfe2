import type { FileGetter } from '@varve/core'
import { wrapError } from '@varve/core'
import { cleanEntryName } from '../apply/entry-name.ts'
import type { TreeOptions } from '../diff/tree-options.ts'
import { baseOf, fromBinary, parentOf, shown, toBinary } from '../safe-root/binary.ts'
import { codeOf } from '../safe-root/calls.ts'
import { openRoot } from '../safe-root/open-root.ts'
import type { SafeRoot } from '../safe-root/safe-root.ts'
import { corrupt, readOpen } from './read-file.ts'

/** Linux's `PATH_MAX` without the NUL. */
const LONGEST_NAME = 4095

/**
 * Payloads of an applied layer by the names that its tar gave them, found as `applyLayer` put them:
 * symbolic links on the way are followed inside the tree only, the last component never.
 *
 * The generators are synchronous, because of the thousands of small files of a usual layer.
 *
 * @param root a trusted path to the tree
 *
 * @example
 * ```ts
 * import { mkdtemp, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openFiles } from '@varve/archive'
 * import { collect } from '@varve/core'
 *
 * const root = await mkdtemp(join(tmpdir(), 'root-'))
 * await writeFile(join(root, 'motd'), 'hello')
 * await using files = openFiles(root)
 * const bytes = await collect(files.open(new TextEncoder().encode('./motd'), 5), 100)
 * console.assert(new TextDecoder().decode(bytes) === 'hello')
 * ```
 */
export function openFiles(root: string, options: Omit<TreeOptions, 'signal'> = {}): FileGetter {
  let tree: SafeRoot
  try {
    tree = openRoot(root, options)
  } catch (error) {
    throw wrapError(error, 'Cannot read layer')
  }
  return {
    open: (name, size) => read(tree, name, size),
    async [Symbol.asyncDispose]() {
      tree[Symbol.dispose]()
    },
  }
}

function* read(root: SafeRoot, name: Uint8Array, size: number): Generator<Uint8Array> {
  const path = pathOf(name)
  const fd = directoryOf(root, path, name)
  yield* readOpen(root.calls, fd, fromBinary(baseOf(path)), size, name)
}

/** A name that could not have been applied is that of no file here. */
function pathOf(name: Uint8Array): string {
  try {
    return cleanEntryName(toBinary(name), LONGEST_NAME)
  } catch (error) {
    throw corrupt(name, 'no file of a layer is named so', error)
  }
}

function directoryOf(root: SafeRoot, path: string, name: Uint8Array): number {
  try {
    const found = path === '' ? undefined : root.directory(parentOf(path))
    if (found) return found.fd
  } catch (error) {
    const code = codeOf(error)
    if (code !== 'ENOTDIR' && code !== 'ELOOP') {
      throw wrapError(error, `Cannot read ${shown(toBinary(name))}`)
    }
    throw corrupt(name, 'its directory is none', error)
  }
  throw corrupt(name, 'its directory is missing')
}
