import { join } from 'node:path'
import { overlay } from '@varve/driver-overlay'
import { metadataFs } from '@varve/metadata-fs'
import { tarSplit } from '@varve/tarsplit'
import { storeSuite } from '@varve/testkit'
import { describe, test } from 'vitest'
import { canMount, place } from './place.ts'

describe.skipIf(!canMount)('a store on overlay (needs root)', async () => {
  if (!canMount) return
  await storeSuite({
    test,
    factory() {
      const dir = place()
      return {
        parts: async () => ({
          driver: await overlay({ root: join(dir.path, 'overlay2') }),
          metadata: await metadataFs({ root: join(dir.path, 'image/overlay2/layerdb') }),
          codec: tarSplit(),
        }),
        // A layer's own files are where it is not mounted.
        alter: async (_driver, id, change) => change(join(dir.path, 'overlay2', id, 'diff')),
        [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
      }
    },
  })
})
