import { mkdirSync, rmdirSync } from 'node:fs'
import type { CacheID } from '@varve/core'
import { AT, type NativeCalls, O, RESOLVE, type SysError } from '@varve/sys'
import { mountPointsIn } from '@varve/trees'

/** Where in its directory a layer is mounted: writable, as Docker does, or read-only. */
export const PLACES = ['merged', 'view'] as const
export type Place = (typeof PLACES)[number]

/** Whether something is mounted at a place in a layer's directory. */
export function isMountedAt(native: NativeCalls, directory: string, place: Place): boolean {
  const layer = native.openat(AT.FDCWD, encode(directory), O.PATH | O.DIRECTORY)
  try {
    native.close(native.openat2(layer, encode(place), O.PATH, 0, RESOLVE.NO_XDEV))
    return false
  } catch (error) {
    const { code } = error as SysError
    if (code === 'EXDEV') return true
    if (code === 'ENOENT') return false
    throw error
  } finally {
    native.close(layer)
  }
}

/** Makes the directory of a place if it is not there. */
export function makePlace(path: string): void {
  unless('EEXIST', () => mkdirSync(path, 0o700))
}

/** Removes the directory of a place, which must be empty, if it is there. */
export function removePlace(path: string): void {
  unless('ENOENT', () => rmdirSync(path))
}

/** Layers below a directory that this process sees something mounted in at one of their places. */
export async function mountedIn(
  root: string,
): Promise<readonly (readonly [id: CacheID, place: Place])[]> {
  const found: [CacheID, Place][] = []
  for (const point of await mountPointsIn(root)) {
    const [id = '', place = '', rest] = point.slice(root.length + 1).split('/')
    if (rest === undefined && (place === 'merged' || place === 'view')) {
      found.push([id as CacheID, place])
    }
  }
  return found
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function unless(code: string, act: () => void): void {
  try {
    act()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== code) throw error
  }
}
