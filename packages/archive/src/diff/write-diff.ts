import { setImmediate } from 'node:timers/promises'
import { checkAborted, wrapError } from '@varve/core'
import { codeOf } from '../safe-root/calls.ts'
import { compareText, type Difference } from './compare-trees.ts'
import { type Reason, TarOfTree } from './tar-of-tree.ts'
import { compare, openPair, type TreeOptions } from './tree-options.ts'

/**
 * What is different in `upper` as a layer tar; applied on `lower`, it gives `upper`.
 *
 * Same trees, same bytes: entries are sorted by raw path, whiteouts bear no time. Headers are those
 * that Docker writes: whole seconds, no user names, PAX where USTAR has no room. Files with several
 * names stay one file, also where a name has not changed. The root's own metadata are left out, and
 * sockets, though what they replaced is hidden. Holes are read as zeros without reading them.
 *
 * @param upper a trusted path to the tree
 * @param lower a trusted path to what it was; without it, everything is written
 * @throws LayerError `ERR_IO` if a file shrinks while it is read, `ERR_PERMISSION`, `ERR_ABORTED`,
 *   `ERR_INVALID_ARGUMENT` for a file that tar has no form for
 *
 * @example
 * ```ts
 * import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { applyLayer, writeDiff } from '@varve/archive'
 *
 * const upper = await mkdtemp(join(tmpdir(), 'upper-'))
 * const copy = await mkdtemp(join(tmpdir(), 'copy-'))
 * await writeFile(join(upper, 'motd'), 'hello')
 * await using applied = await applyLayer(copy, writeDiff(upper))
 * console.assert(applied.entries === 1)
 * console.assert((await readFile(join(copy, 'motd'), 'utf8')) === 'hello')
 * ```
 */
export async function* writeDiff(
  upper: string,
  lower?: string,
  options: TreeOptions = {},
): AsyncGenerator<Uint8Array> {
  const attempt = 'Cannot write diff'
  checkAborted(options.signal, attempt)
  using pair = openPair(upper, lower, options, attempt)
  const difference = await compare(pair, options, attempt)
  let done = 0
  try {
    for (const chunk of new TarOfTree(pair.upper, pathsToWrite(difference)).bytes()) {
      yield chunk
      done += chunk.length
      options.onProgress?.({ phase: 'diff', id: upper, done })
      if (options.signal) {
        // Its event could not arrive otherwise.
        await setImmediate()
        checkAborted(options.signal, attempt)
      }
    }
  } catch (error) {
    throw codeOf(error) === undefined ? error : wrapError(error, attempt)
  }
}

function pathsToWrite({ changes, unchanged }: Difference): Map<string, Reason> {
  const all: [string, Reason][] = changes.map(({ kind, path }) => [path, kind])
  if (unchanged.length === 0) return new Map(all)
  for (const path of unchanged) all.push([path, 'unchanged'])
  return new Map(all.sort(([a], [b]) => compareText(a, b)))
}
