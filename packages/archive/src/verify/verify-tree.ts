import { type ByteSource, checkAborted, wrapError } from '@varve/core'
import { createTarScanner } from '@varve/tar'
import { directoryWhiteouts, type WhiteoutStrategy } from '../apply/whiteouts.ts'
import type { TreeOptions } from '../diff/tree-options.ts'
import { baseOf, fromBinary, joined, parentOf, shown, toBinary } from '../safe-root/binary.ts'
import { codeOf } from '../safe-root/calls.ts'
import { openRoot, type SafeRoot } from '../safe-root/safe-root.ts'
import { compareFile, type VerifyRules } from './compare-file.ts'
import { type Expected, ExpectedTree } from './expected-tree.ts'

/** How {@link verifyTree} compares. */
export interface VerifyOptions extends TreeOptions {
  /** Whether owners were kept. Default: if this process is root. */
  readonly keepOwner?: boolean
  /** As it was given to `applyLayer`. */
  readonly mapOwner?: (uid: number, gid: number) => readonly [uid: number, gid: number] | undefined
  /** As it was given to `applyLayer`. */
  readonly whiteouts?: WhiteoutStrategy
  /** For a layer that is kept apart: a trusted path to it together with the layers beneath. */
  readonly merged?: string
}

/**
 * Compares a tree with the tar that was applied on it: what each name is, mode, owner, size, link
 * target, device number, extended attributes, hard links and times, and that whiteouts hold. Contents
 * are not read. What this user could not have kept is not asked for, nor the times of the root
 * directory, which Docker leaves as they are.
 *
 * @returns one text for each difference
 * @throws LayerError as `applyLayer`
 *
 * @example
 * ```ts
 * import { chmod, mkdtemp, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { verifyTree, writeDiff } from '@varve/archive'
 *
 * const root = await mkdtemp(join(tmpdir(), 'root-'))
 * await writeFile(join(root, 'motd'), 'hello', { mode: 0o644 })
 * const tar = await Array.fromAsync(writeDiff(root))
 * await chmod(join(root, 'motd'), 0o600)
 * const [difference] = await Array.fromAsync(verifyTree(root, tar))
 * console.assert(difference?.includes('mode is 0600 instead of 0644'))
 * ```
 */
export async function* verifyTree(
  root: string,
  tar: ByteSource,
  options: VerifyOptions = {},
): AsyncGenerator<string> {
  const attempt = 'Cannot verify layer'
  const expected = new ExpectedTree()
  const scanner = createTarScanner({
    entry: (entry) => expected.add(entry),
    payload: () => {},
    entryEnd: () => {},
  })
  for await (const chunk of tar) {
    checkAborted(options.signal, attempt)
    if (!scanner.ended) scanner.push(chunk)
  }
  scanner.end()
  try {
    using tree = openRoot(root, options)
    const touched = yield* compareAll(tree, expected, options)
    if (options.merged === undefined) {
      yield* compareHidden(tree, expected, touched)
    } else {
      using merged = openRoot(options.merged, options)
      yield* compareHidden(merged, expected, touched)
    }
  } catch (error) {
    throw codeOf(error) === undefined ? error : wrapError(error, attempt)
  }
}

/** Compares what the tar wrote; returns every path that it did anything at. */
function* compareAll(
  root: SafeRoot,
  expected: ExpectedTree,
  options: VerifyOptions,
): Generator<string, ReadonlySet<string>> {
  const isRoot = process.geteuid?.() === 0
  const byFFI = root.resolver === 'openat2' || root.resolver === 'walk'
  const rules: VerifyRules = {
    owners: options.keepOwner ?? isRoot,
    mapOwner: options.mapOwner,
    devices: isRoot && byFFI,
    xattrs: !byFFI ? 'none' : isRoot ? 'all' : 'user',
    exactTimes: byFFI,
    whiteouts: options.whiteouts ?? directoryWhiteouts,
  }
  // Two names of the tar may be one path; what came last is right.
  const places = new Map<string, Expected>()
  const touched = new Set<string>([''])
  for (const [name, file] of expected.files) {
    const parent = find(root, parentOf(name))
    if (parent === undefined) {
      yield `${shown(name)}: its directory is missing`
      continue
    }
    const place = name === '' ? '' : joined(parent, baseOf(name))
    places.delete(place)
    places.set(place, file)
    for (let up = place; !touched.has(up); up = parentOf(up)) touched.add(up)
  }
  for (const [path, file] of places) {
    const { fd } = root.open(parentOf(path))
    yield* compareFile(root.calls, fd, path, file, rules)
  }
  return touched
}

function* compareHidden(
  root: SafeRoot,
  { hidden, opaque }: ExpectedTree,
  touched: ReadonlySet<string>,
): Generator<string> {
  for (const name of hidden) {
    const parent = find(root, parentOf(name))
    if (parent === undefined || touched.has(joined(parent, baseOf(name)))) continue
    if (root.calls.statIfAny(root.open(parent).fd, fromBinary(baseOf(name)))) {
      yield `${shown(name)}: it is there although the layer hides it`
    }
  }
  for (const name of opaque) {
    const path = find(root, name)
    if (path === undefined) continue
    for (const entry of root.list(path)) {
      const child = joined(path, toBinary(entry.name))
      if (!touched.has(child)) yield `${shown(child)}: it is there although the layer hides it`
    }
  }
}

/** The path of a directory without symbolic links; undefined if there is none. */
function find(root: SafeRoot, path: string): string | undefined {
  try {
    return root.directory(path)?.path
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR' || codeOf(error) === 'ELOOP') return undefined
    throw error
  }
}
