/** Stores are closed, killed, opened again, and opened twice. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '@varve/core'
import { allOf, failsWith } from '../expect.ts'
import { tarOf } from '../tar/build.ts'
import { add, bytes, chainIDs, type StoreCase } from './bed.ts'

const TAR = tarOf([{ name: 'd/f', data: 'x'.repeat(30_000) }])

export const restarting: readonly StoreCase[] = [
  {
    name: 'a store that is opened again has its layers, its mounts and their files',
    run: async (kit) => {
      let store = await kit.open()
      const base = await add(store, [TAR])
      const top = await add(store, [{ name: 't', data: 't' }], base.chainID)
      const rw = await store.createRW('rw', { parent: top.chainID, init: () => {} })
      {
        await using mount = await rw.mount()
        await writeFile(join(mount.path, 'kept'), 'kept')
      }
      store = await kit.reopen(store)
      assert.deepEqual(await chainIDs(store), [base.chainID, top.chainID].sort())
      const again = await store.get(top.chainID)
      assert.deepEqual([again.size, again.depth, again.diffID], [top.size, 2, top.diffID])
      await failsWith('ERR_MOUNT_NAME_CONFLICT', () => store.createRW('rw'))
      const same = await store.getRW('rw')
      assert.deepEqual([same.mountID, same.initID, same.parent], [rw.mountID, rw.initID, rw.parent])
      {
        await using mount = await same.mount()
        assert.equal(await readFile(join(mount.path, 'kept'), 'utf8'), 'kept')
      }
      assert.deepEqual(await store.release(again), [], 'the mount holds its parent')
      assert.equal((await store.releaseRW(same)).length, 2)
      await kit.isClean(store, 0)
    },
  },
  {
    name: 'layers that nobody refers to after a restart wait for gc',
    run: async (kit) => {
      let store = await kit.open()
      const { chainID } = await add(store, [TAR])
      store = await kit.reopen(store)
      await store.cleanup()
      assert.deepEqual(await chainIDs(store), [chainID])
      assert.deepEqual(
        (await store.gc({ keep: [] })).map((layer) => layer.chainID),
        [chainID],
      )
      await kit.isClean(store, 0)
    },
  },
  {
    name: 'deferred layers are safe after sync',
    run: async (kit) => {
      const { store, parts } = await kit.opened()
      const layer = await add(store, [TAR], undefined, { durability: 'deferred' })
      assert.deepEqual(await parts.metadata.unsynced(), [layer.chainID])
      await store.sync()
      assert.deepEqual(await parts.metadata.unsynced(), [])
    },
  },
  {
    name: 'what is safe stands on what is safe',
    run: async (kit) => {
      const { store, parts } = await kit.opened()
      const deferred = { durability: 'deferred' } as const
      const base = await add(store, [TAR], undefined, deferred)
      const top = await add(store, [{ name: 't', data: 't' }], base.chainID, deferred)
      await add(store, [{ name: 'u', data: 'u' }], base.chainID)
      assert.deepEqual(await parts.metadata.unsynced(), [top.chainID])
      await store.createRW('rw', { parent: top.chainID })
      assert.deepEqual(await parts.metadata.unsynced(), [])
    },
  },
  {
    name: 'a closed store refuses to work, and can be closed again',
    run: async (kit) => {
      const store = await kit.open()
      await kit.close(store)
      await store[Symbol.asyncDispose]()
      await failsWith('ERR_CLOSED', () => store.register([TAR]))
      await failsWith('ERR_CLOSED', () => store.createRW('one'))
    },
  },
  {
    name: 'two stores on one place see each other, and keep what the other holds',
    needs: 'shared',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      const mine = await add(one, [TAR])
      assert.deepEqual(await chainIDs(two), [mine.chainID])
      const theirs = await two.get(mine.chainID)
      assert.deepEqual(await one.release(mine), [], 'the other store holds it')
      assert.equal(digestOf(await bytes(theirs.tar())), theirs.diffID)
      assert.equal((await two.release(theirs)).length, 1)
      assert.equal(await one.has(mine.chainID), false)
      await kit.isClean(one, 0)
    },
  },
  {
    name: 'two stores that register one layer at once keep it once',
    needs: 'shared',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      const layers = await Promise.all([one, two, one, two].map((store) => add(store, [TAR])))
      assert.equal(new Set(layers.map(({ cacheID }) => cacheID)).size, 1)
      await kit.isClean(two, 1)
    },
  },
  {
    name: 'a name is taken once among two stores, and its layer used by both',
    needs: 'shared',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      const rw = await one.createRW('rw')
      await failsWith('ERR_MOUNT_NAME_CONFLICT', () => two.createRW('rw'))
      const same = await two.getRW('rw')
      await failsWith('ERR_MOUNT_IN_USE', () => one.releaseRW(rw))
      await same[Symbol.asyncDispose]()
      await one.releaseRW(rw)
      await failsWith('ERR_MOUNT_NOT_FOUND', () => two.getRW('rw'))
    },
  },
  {
    name: 'cleanup by one store leaves alone what the other is registering',
    needs: 'shared',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      const tar = (async function* () {
        yield TAR.subarray(0, 10_000)
        await two.cleanup()
        assert.deepEqual(await two.gc({ keep: [] }), [])
        yield TAR.subarray(10_000)
      })()
      const layer = await one.register(tar)
      assert.equal(digestOf(await bytes(layer.tar())), layer.diffID)
      await kit.isClean(two, 1)
    },
  },
  {
    name: 'a registration cut by a kill is undone when the store is opened again',
    needs: 'crash',
    run: async (kit) => {
      const opened = await kit.opened()
      const kept = await add(opened.store, [{ name: 'kept', data: 'k' }])
      const tar = (async function* () {
        yield TAR.subarray(0, 10_000)
        await kit.crash(opened)
        yield TAR.subarray(10_000)
      })()
      await assert.rejects(opened.store.register(tar))
      const next = await kit.open()
      assert.deepEqual(await chainIDs(next), [kept.chainID])
      await kit.isClean(next, 1)
      const again = await add(next, [TAR])
      assert.equal(digestOf(await bytes(again.tar())), again.diffID)
    },
  },
  {
    name: 'a driver layer that a killed registration left is found and removed',
    needs: 'crash',
    run: async (kit) => {
      const opened = await kit.opened()
      const { driver, metadata } = opened.parts
      const id = `${'cd'.repeat(32)}` as Awaited<ReturnType<typeof add>>['cacheID']
      await metadata.begin([id])
      await driver.create(id)
      await kit.crash(opened)
      const next = await kit.open()
      assert.equal(await next.driver.exists(id), false)
      await kit.isClean(next, 0)
    },
  },
  {
    name: 'a removal cut by a kill is finished when the store is opened again',
    needs: 'crash',
    run: async (kit) => {
      const opened = await kit.opened()
      const { metadata } = opened.parts
      const layer = await add(opened.store, [TAR])
      await metadata.lock('exclusive', () => metadata.retire([layer.chainID]))
      await kit.crash(opened)
      const next = await kit.open()
      assert.deepEqual(await chainIDs(next), [])
      assert.deepEqual(await allOf(next.driver.list()), [])
      await kit.isClean(next, 0)
    },
  },
  {
    name: 'what a killed process held can be removed by others',
    needs: 'crash',
    run: async (kit) => {
      const [killed, next] = [await kit.opened(), await kit.open()]
      const layer = await add(killed.store, [TAR])
      const mine = await next.get(layer.chainID)
      await kit.crash(killed)
      assert.equal((await next.release(mine)).length, 1)
      await kit.isClean(next, 0)
    },
  },
]
