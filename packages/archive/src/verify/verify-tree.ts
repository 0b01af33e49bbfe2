import { setImmediate } from 'node:timers/promises'
import { type ByteSource, checkAborted, LayerError, wrapError } from '@varve/core'
import { type FileStat, openSys, S } from '@varve/sys'
import { applyTar } from '../apply/apply-tar.ts'
import { directoryWhiteouts } from '../apply/whiteouts.ts'
import type { TreeOptions } from '../diff/tree-options.ts'
import { codeOf } from '../safe-root/calls.ts'
import { openRoot, rootOn } from '../safe-root/open-root.ts'
import type { SafeRoot } from '../safe-root/safe-root.ts'
import type { VerifyRules } from './compare-file.ts'
import { compareWithModel } from './compare-model.ts'
import { modelCalls } from './model-calls.ts'
import { ModelTree } from './model-tree.ts'

/** How many names are compared before others get a turn. */
const STEPS_PER_TURN = 256
/** Any path: the model has but one such directory. */
const ASIDE = 'aside'

/** How {@link verifyTree} compares. */
export interface VerifyOptions extends Omit<TreeOptions, 'marks'> {
  /** A trusted path to what the tar was applied on. Default: an empty directory. */
  readonly lower?: string
  /**
   * Whether what the layer leaves alone is the lower tree's own files that show through, as in a
   * mount of overlay; device 0:0 then stands for nothing. Else the tree is a copy of the lower one,
   * and is compared with it.
   */
  readonly sharesLower?: boolean
  /**
   * Whether another tool than this made the tree: directories that no entry names, and attributes of
   * files that were copied, may then be different.
   */
  readonly foreign?: boolean
  /** Whether owners were kept. Default: if this process is root. */
  readonly keepOwner?: boolean
  /** Whether extended attributes were kept. Default: as far as this user may set them. */
  readonly keepXattrs?: boolean
  /** Whether devices were made. Default: if this process is root. */
  readonly keepDevices?: boolean
  /** As it was given to `applyLayer`. */
  readonly mapOwner?: (uid: number, gid: number) => readonly [uid: number, gid: number] | undefined
  /** Attributes that it gives undefined for are not compared. */
  readonly xattrName?: (name: string) => string | undefined
}

/**
 * Compares a tree with what a tar makes of the tree that it was applied on. The tar is applied once
 * more, in memory, so that all of its rules count; then every name is compared: type, mode, owner,
 * size, link target, device number, extended attributes, hard links and times, and what is there
 * but should not be. Of contents, those that were copied from the lower tree; the layer's own are in
 * its tar. What this user could not have kept is not asked for, nor the times of the root directory,
 * which Docker leaves as they are.
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
  const how = { ...options, sys: options.sys ?? openSys() }
  try {
    using tree = openRoot(root, how)
    using lower = options.lower === undefined ? undefined : openRoot(options.lower, how)
    const rules = rulesOf(tree, options)
    const model = modelOf(tree, lower, options)
    const misfit = await rehearse(model, tar, options, rules)
    if (misfit !== undefined) {
      yield misfit
      return
    }
    const isCopy = !options.sharesLower
    let steps = 0
    for (const text of compareWithModel({ tree, model, lower, isCopy, rules })) {
      if (text !== undefined) yield text
      if (++steps % STEPS_PER_TURN !== 0) continue
      await setImmediate()
      checkAborted(options.signal, attempt)
    }
  } catch (error) {
    throw codeOf(error) === undefined ? error : wrapError(error, attempt)
  }
}

function rulesOf(tree: SafeRoot, options: VerifyOptions): VerifyRules {
  const isRoot = process.geteuid?.() === 0
  const byFFI = tree.resolver === 'openat2' || tree.resolver === 'walk'
  const keepsXattrs = byFFI && (options.keepXattrs ?? true)
  return {
    owners: options.keepOwner ?? isRoot,
    devices: byFFI && (options.keepDevices ?? isRoot),
    xattrs: !keepsXattrs ? 'none' : isRoot ? 'all' : 'user',
    exactTimes: byFFI,
    foreign: options.foreign ?? false,
    xattrName: options.xattrName ?? directoryWhiteouts.xattrName,
  }
}

/** What the tree was before the tar; nobody but the tar says what the root of a base layer is. */
function modelOf(
  tree: SafeRoot,
  lower: SafeRoot | undefined,
  { sharesLower = false }: VerifyOptions,
): ModelTree {
  const beginning = lower && !sharesLower ? lower : tree
  return new ModelTree(beginning.calls.fstat(beginning.open('').fd), {
    lower,
    isAbsent: (stat) => sharesLower && isDeviceZero(stat),
    // What one layer copies up is no longer the file that the other names have.
    linked: !sharesLower,
  })
}

/** Applies the tar on the model; a text if that cannot be done. */
async function rehearse(
  model: ModelTree,
  tar: ByteSource,
  options: VerifyOptions,
  { owners, xattrName }: VerifyRules,
): Promise<string | undefined> {
  const { calls, rootfd } = modelCalls(model)
  using tree = rootOn(calls, rootfd)
  try {
    await using _applied = await applyTar(
      tree,
      tar,
      {
        ...(options.signal && { signal: options.signal }),
        asideDir: ASIDE,
        keepOwner: owners,
        ...(options.mapOwner && { mapOwner: options.mapOwner }),
        whiteouts: { ...directoryWhiteouts, xattrName, allowsDeviceZero: !options.sharesLower },
      },
      'rehearsal',
    )
    return undefined
  } catch (error) {
    if (options.lower === undefined || !LayerError.is(error, 'ERR_INVALID_TAR')) throw error
    return `It does not fit on what is beneath it: ${error.message}`
  }
}

function isDeviceZero(stat: FileStat): boolean {
  return (stat.mode & S.IFMT) === S.IFCHR && stat.rdevMajor === 0 && stat.rdevMinor === 0
}
