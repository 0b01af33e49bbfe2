/** Damage is told and set aside; what may not have survived is remembered. */
import assert from 'node:assert/strict'
import { newCacheID } from '@varve/core'
import { allOf, failsWith } from '../expect.ts'
import { type MetadataCase, someLayer, someMount } from './bed.ts'

export const safety: readonly MetadataCase[] = [
  {
    name: 'a damaged layer is told as damaged, is not listed, and hides no healthy one',
    needs: 'damage',
    run: async (kit) => {
      const store = await kit.open()
      const [bad, good] = [await kit.layer(store), await kit.layer(store)]
      await kit.end()
      await kit.bed.damage?.('layer', bad.chainID)
      const next = await kit.open()
      await failsWith('ERR_CORRUPT_METADATA', () => next.layer(bad.chainID))
      assert.deepEqual(await allOf(next.layers()), [good])
      const found = await allOf(next.damaged())
      assert.deepEqual(
        found.map(({ kind, subject }) => [kind, subject]),
        [['layer', bad.chainID]],
      )
      assert.ok(found[0]?.reason)
    },
  },
  {
    name: 'a damaged layer can be set aside, and is then unknown',
    needs: 'damage',
    run: async (kit) => {
      const store = await kit.open()
      const bad = await kit.layer(store)
      await kit.end()
      await kit.bed.damage?.('layer', bad.chainID)
      const next = await kit.open()
      const [damage] = await allOf(next.damaged())
      assert.ok(damage)
      await next.lock('exclusive', () => next.setAside(damage))
      assert.equal(await next.layer(bad.chainID), undefined)
      assert.deepEqual(await allOf(next.damaged()), [])
      const again = await kit.layer(next, { ...bad, cacheID: newCacheID() })
      assert.deepEqual(await next.layer(bad.chainID), again)
    },
  },
  {
    name: 'a damaged layer is replaced by publishing it again',
    needs: 'damage',
    run: async (kit) => {
      const store = await kit.open()
      const bad = await kit.layer(store)
      await kit.end()
      await kit.bed.damage?.('layer', bad.chainID)
      const next = await kit.open()
      const again = await kit.layer(next, { ...bad, cacheID: newCacheID() })
      assert.deepEqual(await next.layer(bad.chainID), again)
      assert.deepEqual(await allOf(next.damaged()), [])
    },
  },
  {
    name: 'a damaged mount is told, is not listed, and can be set aside',
    needs: 'damage',
    run: async (kit) => {
      const store = await kit.open()
      await kit.mount(store, someMount('bad'))
      const good = await kit.mount(store, someMount('good'))
      await kit.end()
      await kit.bed.damage?.('mount', 'bad')
      const next = await kit.open()
      await failsWith('ERR_CORRUPT_METADATA', () => next.mount('bad'))
      assert.deepEqual(await allOf(next.mounts()), [good])
      const [damage] = await allOf(next.damaged())
      assert.deepEqual([damage?.kind, damage?.subject], ['mount', 'bad'])
      await next.lock('exclusive', () => next.setAside({ kind: 'mount', subject: 'bad' }))
      assert.equal(await next.mount('bad'), undefined)
      assert.deepEqual(await allOf(next.damaged()), [])
    },
  },
  {
    name: 'the files of a read-write layer that was set aside are not to be swept',
    run: async (kit) => {
      const store = await kit.open()
      const { name, mountID } = await kit.mount(store, someMount('aside'))
      await store.lock('exclusive', () => store.setAside({ kind: 'mount', subject: name }))
      assert.equal(await store.mount(name), undefined)
      assert.ok((await store.lock('shared', () => store.intended())).has(mountID))
    },
  },
  {
    name: 'a healthy layer whose data is lost can be set aside too',
    run: async (kit) => {
      const store = await kit.open()
      const { chainID } = await kit.layer(store)
      await store.lock('exclusive', () => store.setAside({ kind: 'layer', subject: chainID }))
      assert.equal(await store.layer(chainID), undefined)
      assert.deepEqual(await allOf((await kit.open()).layers()), [])
    },
  },
  {
    name: 'only layers published with less than full durability are unsynced, until marked',
    run: async (kit) => {
      const store = await kit.open()
      await kit.layer(store, someLayer(), { durability: 'full' })
      const deferred = await kit.layer(store, someLayer(), { durability: 'deferred' })
      const none = await kit.layer(store, someLayer(), { durability: 'none' })
      const wanted = [deferred.chainID, none.chainID].sort()
      assert.deepEqual([...(await store.unsynced())].sort(), wanted)
      assert.deepEqual([...(await (await kit.open()).unsynced())].sort(), wanted)
      assert.deepEqual(await store.unverified(), [])
      await store.markSynced([deferred.chainID])
      assert.deepEqual(await store.unsynced(), [none.chainID])
      await store.markSynced([none.chainID])
      assert.deepEqual(await (await kit.open()).unsynced(), [])
    },
  },
  {
    name: 'after the machine restarted, layers that were not safe are unverified, until marked',
    needs: 'reboot',
    run: async (kit) => {
      const store = await kit.open()
      await kit.layer(store, someLayer(), { durability: 'full' })
      const synced = await kit.layer(store, someLayer(), { durability: 'deferred' })
      const risky = await kit.layer(store, someLayer(), { durability: 'deferred' })
      await store.markSynced([synced.chainID])
      await kit.end()
      await kit.bed.reboot?.()
      const next = await kit.open()
      assert.deepEqual(await next.unverified(), [risky.chainID])
      await kit.layer(next, someLayer(), { durability: 'none' })
      assert.deepEqual(await next.unverified(), [risky.chainID])
      await next.markSynced([risky.chainID])
      assert.deepEqual(await (await kit.open()).unverified(), [])
    },
  },
]
