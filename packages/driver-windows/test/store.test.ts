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
import { NOT_OF_STORES } from './not-on-windows.ts'

const left = new Set(Object.values(NOT_OF_STORES).flat())

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
