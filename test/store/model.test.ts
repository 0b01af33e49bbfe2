import { type LayerStore, openStore } from '@varve/core'
import { memoryDisk, memoryDriver, memoryLayers, memoryMetadata } from '@varve/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../runs.ts'
import { histories, type Real } from './commands.ts'
import { StoreModel } from './model.ts'

/** Different tars, all of them empty archives: the zero blocks differ in number. */
const TARS = [2, 3, 4].map((blocks) => new Uint8Array(512 * blocks))

async function setup(): Promise<{ model: StoreModel; real: Real }> {
  const disk = memoryDisk()
  const layers = memoryLayers()
  let metadata = memoryMetadata(disk)
  const open = (): Promise<LayerStore> => {
    metadata = memoryMetadata(disk)
    return openStore({ driver: memoryDriver({ exactDiffs: true, layers }), metadata })
  }
  const real: Real = {
    store: await open(),
    layers: [],
    mounts: [],
    async restart(how) {
      if (how === 'crash') metadata.crash()
      else await real.store[Symbol.asyncDispose]()
      return await open()
    },
  }
  return { model: new StoreModel(), real }
}

test('any history of register, get, release, createRW, fork, reset, gc, close and crash is as the model says', async () => {
  await fc.assert(
    fc.asyncProperty(histories(TARS, 60), (commands) => fc.asyncModelRun(setup, commands)),
    { numRuns: runs(300) },
  )
})

test('registrations of one layer at the same time give one layer and as many references', async () => {
  const { real } = await setup()
  const layers = await Promise.all(
    Array.from({ length: 20 }, () => real.store.register([new Uint8Array(1024)])),
  )
  expect(new Set(layers.map((layer) => layer.cacheID)).size).toBe(1)
  expect(await Array.fromAsync(real.store.driver.list())).toHaveLength(1)
  const removed = []
  for (const layer of layers) removed.push(...(await real.store.release(layer)))
  expect(removed).toHaveLength(1)
})
