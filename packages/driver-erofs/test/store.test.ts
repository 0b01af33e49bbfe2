import { join } from 'node:path'
import { erofs } from '@varve/driver-erofs'
import { metadataFs } from '@varve/metadata-fs'
import { storeSuite } from '@varve/testkit'
import { describe, test } from 'vitest'
import { canMount, place } from './place.ts'

describe.skipIf(!canMount)('a store on erofs (needs root)', async () => {
  if (!canMount) return
  await storeSuite({
    test,
    factory() {
      const dir = place()
      return {
        parts: async () => ({
          driver: await erofs({ root: join(dir.path, 'erofs') }),
          metadata: await metadataFs({ root: join(dir.path, 'image/erofs/layerdb') }),
        }),
        [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
      }
    },
  })
})
