import { join } from 'node:path'
import { vfs } from '@varve/driver-vfs'
import { metadataFs } from '@varve/metadata-fs'
import { tarSplit } from '@varve/tarsplit'
import { storeSuite } from '@varve/testkit'
import { describe, test } from 'vitest'
import { place } from '../../trees/test/place.ts'

describe('a store on vfs', async () => {
  await storeSuite({
    test,
    factory() {
      const dir = place()
      return {
        parts: async () => ({
          driver: await vfs({ root: join(dir.path, 'vfs') }),
          metadata: await metadataFs({ root: join(dir.path, 'image/vfs/layerdb') }),
          codec: tarSplit(),
        }),
        alter: async (_driver, id, change) => change(join(dir.path, 'vfs/dir', id)),
        [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
      }
    },
  })
})
