import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { emulatedHcs, windows } from '@varve/driver-windows'
import { metadataFs } from '@varve/metadata-fs'
import { tarSplit } from '@varve/tarsplit'
import { storeSuite } from '@varve/testkit'
import { expect, test } from 'vitest'
import { underFiles } from './lens.ts'

/** What the suite asks of a store and Windows has not. */
const NOT_ON_WINDOWS: Readonly<Record<string, readonly string[]>> = {
  'a read-write layer needs a parent': [
    'store: a name is taken once, by whoever comes first, and a bad one never',
    'store: annotations are kept',
    'store: a name is taken once among two stores, and its layer used by both',
  ],
  'a read-write layer is no parent': [
    'store: what init changes is there, and is no change, no size and in no tar',
  ],
  'a read-write layer takes no tar': [
    'store: a layer tar can be applied on the present state',
    'store: a layer begins with the changes that it was given',
  ],
  'a read-write layer cannot be copied': [
    'store: a copy starts with the present state, and both go their own ways',
    'store: a copy has what init prepared, as no change of its own',
    'store: a copy under a name that is taken leaves nothing',
  ],
}
const left = new Set(Object.values(NOT_ON_WINDOWS).flat())

await storeSuite({
  test: (name, fn) => {
    if (!left.delete(name)) test(name, fn)
  },
  factory() {
    const dir = mkdtempSync(join(tmpdir(), 'varve-windows-'))
    const hcs = emulatedHcs()
    return {
      parts: async () => ({
        driver: underFiles(await windows({ root: join(dir, 'windowsfilter'), ports: { hcs } })),
        metadata: await metadataFs({ root: join(dir, 'image/windowsfilter/layerdb') }),
        codec: tarSplit(),
      }),
      alter: async (_driver, id, change) => change(join(dir, 'windowsfilter', id, 'Files')),
      [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
    }
  },
})

test('the suite has every case that is left out', () => {
  expect([...left]).toEqual([])
})
