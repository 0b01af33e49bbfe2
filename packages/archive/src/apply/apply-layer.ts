import fs from 'node:fs'
import { type ByteSource, checkAborted, LayerError, wrapError } from '@varve/core'
import { createTarScanner } from '@varve/tar'
import { shown } from '../safe-root/binary.ts'
import { codeOf } from '../safe-root/calls.ts'
import { openRoot, type SafeRoot } from '../safe-root/safe-root.ts'
import { Aside } from './aside.ts'
import { Directories } from './directories.ts'
import { EntryApplier } from './entry-applier.ts'
import { LayerTree } from './layer-tree.ts'
import type { AppliedLayer, ApplyLimits, ApplyOptions, Omitted } from './options.ts'
import { directoryWhiteouts } from './whiteouts.ts'

const DEFAULT_LIMITS: Required<ApplyLimits> = {
  entries: 2 ** 22,
  pathLength: 4095,
  links: 40,
  xattrBytes: 2 ** 20,
  payloadBytes: 2 ** 44,
}
/** Errors that the tar's own names lead to, rather than the system's state. */
const OF_THE_TAR: ReadonlySet<string> = new Set([
  'ENOTDIR',
  'EISDIR',
  'EEXIST',
  'ELOOP',
  'ENAMETOOLONG',
  'EINVAL',
  'EMLINK',
])

/**
 * Applies an uncompressed layer tar on a directory tree that holds what the layers beneath it made.
 *
 * Whiteouts remove what they hide, in the way of `options.whiteouts`. No name, link or attribute of
 * the tar reaches anything outside the tree, also while somebody else changes it. The source is read
 * to its end, also beyond the end of the archive.
 *
 * If it fails the tree is left as it is by then: apply layers on a copy.
 *
 * An ordinary user gets files of his own (owners are left out and counted), no devices, and of the
 * extended attributes those that he may set; everything else is kept.
 *
 * @param root a trusted path to the tree
 * @throws LayerError `ERR_INVALID_TAR`, `ERR_TRUNCATED`, `ERR_UNSAFE_PATH`, `ERR_LIMIT_EXCEEDED`,
 *   `ERR_NO_SPACE`, `ERR_PERMISSION`, `ERR_IO`, `ERR_ABORTED`, and whatever the source throws
 *
 * @example
 * ```ts
 * import { mkdtemp, readFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { applyLayer } from '@varve/archive'
 * import { encodeHeader, endOfArchive, paddingFor } from '@varve/tar'
 *
 * const root = await mkdtemp(join(tmpdir(), 'root-'))
 * const text = new TextEncoder()
 * const content = text.encode('hello')
 * await using applied = await applyLayer(root, [
 *   encodeHeader({
 *     type: 'file',
 *     name: text.encode('etc/motd'),
 *     mode: 0o644,
 *     uid: 0,
 *     gid: 0,
 *     size: content.length,
 *     mtime: { sec: 0, nsec: 0 },
 *   }),
 *   content,
 *   paddingFor(content.length),
 *   endOfArchive(),
 * ])
 * console.assert(applied.size === 5)
 * console.assert((await readFile(join(root, 'etc/motd'), 'utf8')) === 'hello')
 * ```
 */
export async function applyLayer(
  root: string,
  tar: ByteSource,
  options: ApplyOptions = {},
): Promise<AppliedLayer> {
  const attempt = 'Cannot apply layer'
  checkAborted(options.signal, attempt)
  const omitted: Omitted = { owners: 0, devices: 0, xattrs: 0, names: 0 }
  let aside: Aside | undefined
  let applier: EntryApplier | undefined
  try {
    using tree = open(root, options)
    aside = options.asideDir === undefined ? undefined : new Aside(tree.calls, options.asideDir)
    const started = createApplier(tree, aside, options, omitted)
    applier = started
    const scanner = createTarScanner(started)
    let done = 0
    try {
      for await (const chunk of tar) {
        checkAborted(options.signal, attempt)
        if (!scanner.ended) scanner.push(chunk)
        done += chunk.length
        options.onProgress?.({ phase: 'apply', id: root, done })
      }
      scanner.end()
      started.finish()
    } finally {
      started.abandon()
    }
    const { displaced } = aside ?? { displaced: [] }
    const { size, entries } = started
    return {
      size,
      entries,
      displaced,
      omitted,
      async [Symbol.asyncDispose]() {
        aside?.[Symbol.dispose]()
        aside = undefined
      },
    }
  } catch (error) {
    aside?.[Symbol.dispose]()
    throw explained(error, applier?.name)
  }
}

function open(root: string, options: ApplyOptions): SafeRoot {
  return openRoot(root, {
    ...(options.sys && { sys: options.sys }),
    ...(options.resolver && { resolver: options.resolver }),
    maxLinks: options.limits?.links ?? DEFAULT_LIMITS.links,
    loosen: process.geteuid?.() !== 0,
    ...(options.whiteouts?.apart && { isAbsent: options.whiteouts.apart.isWhiteout }),
  })
}

function createApplier(
  root: SafeRoot,
  aside: Aside | undefined,
  options: ApplyOptions,
  omitted: Omitted,
): EntryApplier {
  const directories = new Directories()
  const user = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0] as const
  return new EntryApplier({
    calls: root.calls,
    root,
    tree: new LayerTree(root, aside, (path) => directories.forget(path)),
    directories,
    aside,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    whiteouts: options.whiteouts ?? directoryWhiteouts,
    portableNames: options.portableNames ?? process.platform === 'win32',
    missingDevices: new Set(),
    keepOwner: options.keepOwner ?? user[0] === 0,
    strictOwner: options.keepOwner === true,
    mapOwner: options.mapOwner,
    user,
    umask: currentUmask(),
    omitted,
  })
}

/** `process.umask()` would have to change it for a moment, which other threads would see. */
function currentUmask(): number {
  try {
    const umask = /^Umask:\s*([0-7]+)$/m.exec(fs.readFileSync('/proc/self/status', 'latin1'))?.[1]
    return umask === undefined ? 0o777 : Number.parseInt(umask, 8)
  } catch {
    return 0o777
  }
}

function explained(error: unknown, name: string | undefined): unknown {
  const code = codeOf(error)
  // Whatever is no error of the system is the source's or the scanner's, and says enough itself.
  if (code === undefined || name === undefined) return error
  const attempt = `Cannot apply ${shown(name)}`
  if (!OF_THE_TAR.has(code)) return wrapError(error, attempt, { name: shown(name) })
  return new LayerError('ERR_INVALID_TAR', `${attempt}: ${(error as Error).message}`, {
    cause: error,
    data: { name: shown(name), errno: code },
  })
}
