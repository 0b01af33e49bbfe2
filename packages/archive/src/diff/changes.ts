import type { Change } from '@varve/core'
import { S } from '@varve/sys'
import { baseOf, fromBinary, parentOf, readable, toBinary } from '../safe-root/binary.ts'
import type { SafeRoot } from '../safe-root/safe-root.ts'
import { type Found, inodeKey } from './compare-trees.ts'
import { compare, openPair, type TreeOptions } from './tree-options.ts'

/**
 * What is different in `upper`, sorted by raw path.
 *
 * A name is modified if its type, mode, owner, device number or `security.capability` differs or,
 * directories aside, its size or time; contents are not read. Times in the same second are the same
 * if one has no fraction, as tars make them. A directory is also modified if anything in it is. Of a
 * removed directory only itself is listed. The root never is.
 *
 * @param upper a trusted path to the tree
 * @param lower a trusted path to what it was; without it everything is an addition
 *
 * @example
 * ```ts
 * import { mkdtemp, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { changesBetween } from '@varve/archive'
 *
 * const lower = await mkdtemp(join(tmpdir(), 'lower-'))
 * const upper = await mkdtemp(join(tmpdir(), 'upper-'))
 * await writeFile(join(upper, 'new'), '')
 * const changes = await Array.fromAsync(changesBetween(upper, lower))
 * console.assert(changes[0]?.kind === 'add' && changes[0].path === '/new')
 * ```
 */
export async function* changesBetween(
  upper: string,
  lower?: string,
  options: TreeOptions = {},
): AsyncGenerator<Change> {
  const attempt = 'Cannot compare trees'
  using pair = openPair(upper, lower, options, attempt)
  const { changes } = await compare(pair, options, attempt)
  for (const change of changes) yield asChange(change)
}

/**
 * Bytes of the added and modified files, as Docker counts: a file of several names once, a symbolic
 * link with the length of its target, directories not at all.
 *
 * @example
 * ```ts
 * import { mkdtemp, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { diffSize } from '@varve/archive'
 *
 * const upper = await mkdtemp(join(tmpdir(), 'upper-'))
 * await writeFile(join(upper, 'new'), 'hello')
 * console.assert((await diffSize(upper)) === 5)
 * ```
 */
export async function diffSize(
  upper: string,
  lower?: string,
  options: TreeOptions = {},
): Promise<number> {
  const attempt = 'Cannot compare trees'
  using pair = openPair(upper, lower, options, attempt)
  const { changes } = await compare(pair, options, attempt)
  return sizeOf(pair.upper, changes)
}

/**
 * The same for changes that are known already. What is gone by now counts nothing.
 *
 * @example
 * ```ts
 * import { mkdtemp, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { changesBetween, changesSize } from '@varve/archive'
 *
 * const upper = await mkdtemp(join(tmpdir(), 'upper-'))
 * await writeFile(join(upper, 'new'), 'hello')
 * console.assert((await changesSize(upper, changesBetween(upper))) === 5)
 * ```
 */
export async function changesSize(
  root: string,
  changes: AsyncIterable<Change> | Iterable<Change>,
  options: TreeOptions = {},
): Promise<number> {
  using pair = openPair(root, undefined, options, 'Cannot measure changes')
  const found: Found[] = []
  for await (const { kind, rawPath } of changes) {
    found.push({ kind, path: toBinary(rawPath).replace(/^\//, '') })
  }
  return sizeOf(pair.upper, found)
}

function sizeOf(root: SafeRoot, changes: readonly Found[]): number {
  const counted = new Set<string>()
  let size = 0
  for (const { kind, path } of changes) {
    const parent = kind === 'delete' ? undefined : root.directory(parentOf(path))
    const stat = parent && root.calls.statIfAny(parent.fd, fromBinary(baseOf(path)))
    if (!stat || (stat.mode & S.IFMT) === S.IFDIR) continue
    if (stat.nlink > 1) {
      const key = inodeKey(stat)
      if (counted.has(key)) continue
      counted.add(key)
    }
    size += stat.size
  }
  return size
}

function asChange({ kind, path }: Found): Change {
  const rooted = `/${path}`
  return { kind, path: readable(rooted), rawPath: fromBinary(rooted) }
}
