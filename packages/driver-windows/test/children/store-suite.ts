/** Runs on Windows (or wine): the store suite of the test kit, on the real binding. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { windows } from '@varve/driver-windows'
import { metadataFs } from '@varve/metadata-fs'
import { tarSplit } from '@varve/tarsplit'
import { storeSuite } from '@varve/testkit'
import { removeTree } from '../../src/layer/remove-tree.ts'
import { underFiles } from '../lens.ts'
import { NOT_OF_STORES } from '../not-on-windows.ts'
import { STORES_NOT_UNDER_WINE } from '../not-under-wine.ts'
import { calls, runner } from './windows-bed.ts'

const { test, report } = runner(NOT_OF_STORES, STORES_NOT_UNDER_WINE)

await storeSuite({
  test,
  factory() {
    const dir = mkdtempSync(join(tmpdir(), 'varve-windows-'))
    return {
      parts: async () => ({
        driver: underFiles(await windows({ root: join(dir, 'windowsfilter'), ports: calls })),
        metadata: await metadataFs({ root: join(dir, 'image/windowsfilter/layerdb') }),
        codec: tarSplit(),
      }),
      alter: async (_driver, id, change) => change(join(dir, 'windowsfilter', id, 'Files')),
      [Symbol.asyncDispose]: () => removeTree(dir),
    }
  },
})
await report()
