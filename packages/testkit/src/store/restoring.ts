/** A damaged layer is made anew of its tar, where that can be had again. */
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ByteSource, LayerStore, Problem } from '@varve/core'
import { allOf, equalBytes } from '../expect.ts'
import { tarOf } from '../tar/build.ts'
import { add, bytes, type StoreCase, type StoreKit } from './bed.ts'

const BASE = tarOf([{ name: 'base', data: 'base' }])
const TAR = tarOf([
  { name: 'd/', mode: 0o1750 },
  { name: 'd/f', data: 'content' },
  { name: 'd/g', data: 'x'.repeat(50_000) },
  { name: '.wh.base' },
])
const ABOVE = tarOf([{ name: 'd/above', data: 'above' }])

/** A chain of three, the middle one of which is damaged, with a read-write layer on it. */
async function damaged(kit: StoreKit) {
  const store = await kit.open()
  const base = await add(store, [BASE])
  const bad = await add(store, [TAR], base.chainID)
  const above = await add(store, [ABOVE], bad.chainID)
  const rw = await store.createRW('one', { parent: above.chainID })
  await using mount = await rw.mount()
  await writeFile(join(mount.path, 'own'), 'own')
  await mount[Symbol.asyncDispose]()
  await kit.bed.alter?.(store.driver, bad.cacheID, async (path) => {
    await writeFile(join(path, 'd/f'), 'CONTENT')
    await rm(join(path, 'd/g'))
  })
  return { store: await kit.reopen(store), bad, above }
}

async function repair(store: LayerStore, ...tars: ByteSource[]): Promise<readonly Problem[]> {
  const sources = async function* () {
    yield* tars
  }
  return await allOf(store.check({ full: true, repair: true, sources }))
}

export const restoring: readonly StoreCase[] = [
  {
    name: 'repair makes a damaged layer anew from its tar, beneath what stands on it',
    needs: 'alter',
    needsCall: 'replace',
    needsCodec: true,
    run: async (kit) => {
      const { store, bad, above } = await damaged(kit)
      const found = await repair(store, [BASE], [TAR.subarray(0, 700), TAR.subarray(700)], [ABOVE])
      assert.ok(found.length > 0)
      assert.ok(found.every(({ subject, repaired }) => subject === bad.chainID && repaired))
      await kit.isClean(store, 4)
      await using layer = await store.get(bad.chainID)
      assert.equal(layer.cacheID, bad.cacheID)
      equalBytes(await bytes(layer.tar()), TAR)
      await using top = await store.get(above.chainID)
      await using view = await top.mount()
      assert.equal(await readFile(join(view.path, 'd/above'), 'utf8'), 'above')
      await using rw = await store.getRW('one')
      await using mount = await rw.mount()
      assert.equal(await readFile(join(mount.path, 'own'), 'utf8'), 'own')
      if (store.driver.capabilities.mount === 'kernel') {
        assert.equal(await readFile(join(mount.path, 'd/f'), 'utf8'), 'content')
      }
    },
  },
  {
    name: 'repair makes nothing of another tar, and leaves the layer as it was',
    needs: 'alter',
    needsCall: 'replace',
    needsCodec: true,
    run: async (kit) => {
      const { store, bad } = await damaged(kit)
      for (const wrong of [BASE, TAR.subarray(0, 900)]) {
        const found = await repair(store, [wrong])
        const ofLayer = found.filter(({ subject }) => subject === bad.chainID)
        assert.ok(
          ofLayer.length > 0 && ofLayer.every(({ message }) => /not restored/.test(message)),
        )
        // Where files are not shared it was set aside.
        if (store.driver.capabilities.mount !== 'kernel') return
        assert.ok(ofLayer.every(({ repaired }) => !repaired))
      }
      assert.equal((await allOf(store.driver.list())).length, 4)
      await repair(store, [TAR])
      await kit.isClean(store, 4)
    },
  },
  {
    name: 'repair does not exchange files beneath a mount',
    needs: 'alter',
    needsCall: 'replace',
    needsCodec: true,
    run: async (kit) => {
      const { store, bad } = await damaged(kit)
      if (store.driver.capabilities.mount !== 'kernel') return
      const rw = await store.getRW('one')
      {
        await using mount = await rw.mount()
        const found = await repair(store, [TAR])
        const ofLayer = found.filter(({ subject }) => subject === bad.chainID)
        assert.ok(ofLayer.length > 0 && ofLayer.every(({ repaired }) => !repaired))
        assert.equal(await readFile(join(mount.path, 'd/f'), 'utf8'), 'CONTENT')
      }
      await repair(store, [TAR])
      await kit.isClean(store, 4)
    },
  },
  {
    name: 'a restoring that fails leaves the layer as it was, and nothing else',
    needs: 'alter',
    needsCall: 'replace',
    needsCodec: true,
    run: async (kit) => {
      const { store: first, bad } = await damaged(kit)
      await kit.close(first)
      for (const failing of [
        'driver.create',
        'driver.applyDiff',
        'driver.sync',
        'driver.replace',
      ]) {
        const { store } = await kit.opened((call) => {
          if (call === failing) throw new Error('out of luck')
        })
        await assert.rejects(repair(store, [TAR]), /out of luck/)
        assert.equal(await store.has(bad.chainID), true, failing)
        assert.equal((await allOf(store.driver.list())).length, 4, failing)
        await kit.close(store)
      }
      const store = await kit.open()
      await repair(store, [TAR])
      await kit.isClean(store, 4)
    },
  },
]
