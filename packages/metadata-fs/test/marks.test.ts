import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  chainIDOf,
  EMPTY_DIFF_ID,
  type LayerRecord,
  type MetadataStore,
  newCacheID,
} from '@varve/core'
import { openSys, type Sys } from '@varve/sys'
import { afterAll, expect, test } from 'vitest'
import { metadataFs } from '../src/index.ts'

const scratch = await mkdtemp(join(tmpdir(), 'marks-'))
afterAll(() => rm(scratch, { recursive: true }))

const chainID = chainIDOf(undefined, EMPTY_DIFF_ID)

async function publish(metadata: MetadataStore): Promise<void> {
  const cacheID = newCacheID()
  const record: LayerRecord = { chainID, diffID: EMPTY_DIFF_ID, cacheID, diffSize: 0 }
  await using change = await metadata.begin([cacheID])
  await change.stageLayer(record, 'deferred')
  await metadata.lock('exclusive', () => change.publish())
}

test('the end of a removal takes no mark from the same layer, registered anew meanwhile', async () => {
  const root = join(scratch, 'anew')
  await using removing = await metadataFs({ root })
  await publish(removing)
  const removal = await removing.lock('exclusive', () => removing.retire([chainID]))
  const real = openSys()
  // The mark is there, the layer not listed yet.
  const sys: Sys = {
    ...real,
    async syncDirectory(path) {
      await real.syncDirectory(path)
      if (path.endsWith('unsynced')) await removal.finish()
    },
  }
  await using registering = await metadataFs({ root, sys })
  await publish(registering)
  expect(await registering.unsynced()).toEqual([chainID])
})

test('a removed layer leaves no mark, and one that is listed again has its own', async () => {
  await using metadata = await metadataFs({ root: join(scratch, 'again') })
  await publish(metadata)
  const removal = await metadata.lock('exclusive', () => metadata.retire([chainID]))
  expect(await metadata.unsynced()).toEqual([])
  await metadata.lock('exclusive', () => removal.undo())
  expect(await metadata.unsynced()).toEqual([chainID])
})
