import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { LayerError } from '@varve/core'
import type { Sys } from '@varve/sys'
import { errnoOf, readSmallFile, writeFiles } from './files.ts'
import type { Layout } from './layout.ts'

/** Of what is in `varve/`; Docker's own part has had none since Docker 1.10. */
const VERSION = '1'

/**
 * Makes the root and the directory of the lock: what there must be before the lock can be taken.
 * New directories above the root are put on stable storage; the rest {@link makeLayout} does.
 */
export async function makeRoot(sys: Sys, layout: Layout): Promise<void> {
  for (const made of makeDirectories(layout.root, 0o700)) await sys.syncDirectory(dirname(made))
  makeDirectory(layout.own, 0o700)
}

/** Makes what is missing, durably. Call it under the exclusive lock. */
export async function makeLayout(sys: Sys, layout: Layout): Promise<void> {
  if (readVersion(layout) !== undefined) return
  // moby makes these three 0755, where it first needs them.
  for (const dir of [layout.layers, layout.tmp, layout.mounts]) makeDirectory(dir, 0o755)
  for (const dir of [layout.owners, layout.journals, layout.unsynced, layout.quarantine]) {
    makeDirectory(dir, 0o700)
  }
  for (const dir of [layout.own, layout.root, dirname(layout.root)]) await sys.syncDirectory(dir)
  // Last: who finds it finds the rest, on stable storage.
  await writeFiles(new Map([[layout.version, VERSION]]), 0o600, true)
  await sys.syncDirectory(layout.own)
}

/** @throws LayerError `ERR_NOT_A_STORE` if there is nothing to read, `ERR_STORE_VERSION` */
export function assertReadable(layout: Layout): void {
  const stat = statSync(layout.root, { throwIfNoEntry: false })
  if (!stat?.isDirectory()) {
    throw new LayerError(
      'ERR_NOT_A_STORE',
      `Cannot open layer metadata: ${layout.root} is no directory`,
      { data: { path: layout.root } },
    )
  }
  readVersion(layout)
}

/** Undefined for a new store, one of Docker's, or one whose making was interrupted. */
function readVersion(layout: Layout): string | undefined {
  const version = readSmallFile(layout.version, 64)?.toString().trim()
  if (version === undefined || version === '' || version === VERSION) return version || undefined
  throw new LayerError(
    'ERR_STORE_VERSION',
    `Cannot open layer metadata: ${layout.root} has version ${JSON.stringify(version)}, and ${VERSION} is the newest known here`,
    { data: { path: layout.root, version }, hint: 'Use a newer varve' },
  )
}

/** Not `recursive`: Node then says `ENOENT` whatever the system said. Gives what was made. */
function makeDirectories(path: string, mode: number): string[] {
  try {
    return makeDirectory(path, mode) ? [path] : []
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    const made = makeDirectories(dirname(path), mode)
    return makeDirectory(path, mode) ? [...made, path] : made
  }
}

/** Whether it was missing. */
function makeDirectory(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode })
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}
