import { join } from 'node:path'
import process from 'node:process'
import { AT } from '@varve/sys'
import { describe, expect, test } from 'vitest'
import { codeOf } from '../src/safe-root/calls.ts'
import { nodeCalls, pathPlaces, procfdPlaces } from '../src/safe-root/node-calls.ts'
import { tempDir } from './support/tree.ts'

describe.each([
  ['handles of /proc', procfdPlaces],
  ['paths', pathPlaces],
])('file calls of node:fs by %s', (_, placesIn) => {
  /** What making a directory of this name comes to; undefined where there is no /proc. */
  function making(...names: string[]): unknown[] | undefined {
    const root = tempDir()
    const found = placesIn(root)
    if (!found) return undefined
    const { mkdirIfNone } = nodeCalls(found.places)
    return names.map((name) => {
      try {
        return mkdirIfNone(AT.FDCWD, Buffer.from(join(root, name), 'latin1'), 0o700)
      } catch (error) {
        return codeOf(error)
      }
    })
  }

  test('a directory is made once', () => {
    const made = making('d', 'd', 'd\xff', 'd\xff')
    if (made) expect(made).toEqual([true, false, true, false])
  })

  test('one that cannot be made is refused with a code', () => {
    const made = making('missing/d', 'missing/\xff')
    // Deno does not say why where the name is no text.
    const unsaid = process.versions.deno === undefined ? 'ENOENT' : 'EIO'
    if (made) expect(made).toEqual(['ENOENT', unsaid])
  })
})
