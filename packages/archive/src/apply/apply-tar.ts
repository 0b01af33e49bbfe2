import fs from 'node:fs'
import { type ByteSource, checkAborted, LayerError, wrapError } from '@varve/core'
import { createTarScanner } from '@varve/tar'
import { shown } from '../safe-root/binary.ts'
import { codeOf } from '../safe-root/calls.ts'
import type { SafeRoot } from '../safe-root/safe-root.ts'
import { Aside } from './aside.ts'
import { Directories } from './directories.ts'
import { EntryApplier } from './entry-applier.ts'
import { LayerTree } from './layer-tree.ts'
import { type AppliedLayer, type ApplyOptions, DEFAULT_LIMITS, type Omitted } from './options.ts'
import { directoryWhiteouts } from './whiteouts.ts'

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
 * Applies a tar on an open tree, which is only borrowed.
 *
 * @param id what progress is reported of
 */
export async function applyTar(
  tree: SafeRoot,
  tar: ByteSource,
  options: ApplyOptions,
  id: string,
): Promise<AppliedLayer> {
  const omitted: Omitted = { owners: 0, devices: 0, xattrs: 0, names: 0 }
  let aside: Aside | undefined
  let applier: EntryApplier | undefined
  try {
    aside = options.asideDir === undefined ? undefined : new Aside(tree.calls, options.asideDir)
    const started = createApplier(tree, aside, options, omitted)
    applier = started
    const scanner = createTarScanner(started)
    let done = 0
    try {
      for await (const chunk of tar) {
        checkAborted(options.signal, 'Cannot apply layer')
        if (!scanner.ended) scanner.push(chunk)
        done += chunk.length
        options.onProgress?.({ phase: 'apply', id, done })
      }
      scanner.end()
      started.finish()
    } finally {
      started.abandon()
    }
    const { displaced } = aside ?? { displaced: [] }
    const { size, entries, written } = started
    return {
      size,
      entries,
      written,
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
