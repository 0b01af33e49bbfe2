import { LayerError } from '@varve/core'
import { AT, O, openSys } from '@varve/sys'
import type { FileCalls } from './calls.ts'
import { nodeCalls, pathPlaces, procfdPlaces } from './node-calls.ts'
import { Root } from './root.ts'
import type { RootOptions, SafeRoot } from './safe-root.ts'

/**
 * Opens a directory tree so that nothing in it can lead out of it.
 *
 * @param path a trusted path to the tree's root
 * @throws LayerError `ERR_NOT_SUPPORTED` for a resolver that does not work here
 *
 * @example
 * ```ts
 * import { mkdtemp, symlink } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { join } from 'node:path'
 * import { openRoot } from '@varve/archive'
 *
 * const path = await mkdtemp(join(tmpdir(), 'root-'))
 * await symlink('/', join(path, 'up'))
 * using root = openRoot(path)
 * console.assert(root.directory('up/../..')?.path === '')
 * ```
 */
export function openRoot(path: string, options: RootOptions = {}): SafeRoot {
  const native =
    options.resolver === 'procfd' || options.resolver === 'paths'
      ? undefined
      : (options.sys ?? openSys()).native
  const wanted = options.resolver
  const refuse = (why: string): LayerError =>
    new LayerError('ERR_NOT_SUPPORTED', `Cannot resolve names by ${wanted}: ${why}`)
  if (native) {
    if (wanted === 'openat2' && !native.hasOpenat2) throw refuse('the kernel refuses it')
    // An ordinary user may have to open up directories on the way, so enters them one by one.
    const whole = native.hasOpenat2 && wanted !== 'walk' && !options.loosen
    const rootfd = native.openat(AT.FDCWD, Buffer.from(path), O.PATH | O.DIRECTORY)
    return new Root(native, rootfd, whole ? 'openat2' : 'walk', options, whole ? native : undefined)
  }
  if (wanted === 'openat2' || wanted === 'walk') throw refuse('there is no FFI')
  const byHandle = wanted === 'paths' ? undefined : procfdPlaces(path)
  if (wanted === 'procfd' && !byHandle) throw refuse('/proc does not show descriptors')
  const { places, rootfd } = byHandle ?? pathPlaces(path)
  return new Root(nodeCalls(places), rootfd, byHandle ? 'procfd' : 'paths', options, undefined)
}

/** A tree that calls of another kind lead to; it closes `rootfd` in the end. */
export function rootOn(calls: FileCalls, rootfd: number, options: RootOptions = {}): SafeRoot {
  return new Root(calls, rootfd, 'walk', options, undefined)
}
