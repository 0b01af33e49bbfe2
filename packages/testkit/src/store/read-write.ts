/** Read-write layers: init, mounts, changes, commit, removal. */
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LayerError } from '@varve/core'
import { allOf, failsWith } from '../expect.ts'
import { tarOf } from '../tar/build.ts'
import { itemsOf } from '../tar/read.ts'
import { add, bytes, chainIDs, type StoreCase, told, write } from './bed.ts'

const BASE = [{ name: 'etc/' }, { name: 'etc/hosts', data: 'base' }, { name: 'bin', data: 'bin' }]

export const readWrite: readonly StoreCase[] = [
  {
    name: 'a read-write layer shows its parent, and its changes, size and tar are its own',
    run: async (kit) => {
      const store = await kit.open()
      const base = await add(store, BASE)
      const rw = await store.createRW('one', { parent: base.chainID })
      assert.equal(await rw.size(), 0)
      assert.deepEqual(await told(rw), [])
      await write(rw, async (path) => {
        assert.equal(await readFile(join(path, 'bin'), 'utf8'), 'bin')
        await writeFile(join(path, 'new'), 'x'.repeat(1000))
        await rm(join(path, 'bin'))
      })
      assert.deepEqual(await told(rw), ['delete /bin', 'add /new'])
      assert.ok((await rw.size()) >= 1000)
      const names = (await itemsOf([await bytes(rw.tar())])).map(({ name }) => name)
      assert.deepEqual(names.sort(), ['.wh.bin', 'new'])
      await using view = await base.mount()
      assert.equal(await readFile(join(view.path, 'bin'), 'utf8'), 'bin')
    },
  },
  {
    name: 'what init changes is there, and is no change, no size and in no tar',
    run: async (kit) => {
      const store = await kit.open()
      const base = await add(store, BASE)
      const rw = await store.createRW('one', {
        parent: base.chainID,
        init: async (path) => {
          await writeFile(join(path, 'etc/hosts'), 'init wins')
          await writeFile(join(path, 'console'), 'x'.repeat(50_000))
        },
      })
      assert.ok(rw.initID)
      await write(rw, async (path) => {
        assert.equal(await readFile(join(path, 'etc/hosts'), 'utf8'), 'init wins')
        await writeFile(join(path, 'own'), 'own')
      })
      assert.deepEqual(await told(rw), ['add /own'])
      assert.ok((await rw.size()) < 50_000)
      const names = (await itemsOf([await bytes(rw.tar())])).map(({ name }) => name)
      assert.deepEqual(names, ['own'])
      await kit.isClean(store, 3)
      await store.releaseRW(rw)
      await kit.isClean(store, 1)
    },
  },
  {
    name: 'an init that fails leaves nothing',
    run: async (kit) => {
      const store = await kit.open()
      const base = await add(store, BASE)
      const broken = new RangeError('init broke')
      const init = () => Promise.reject(broken)
      await assert.rejects(
        store.createRW('one', { parent: base.chainID, init }),
        (error) => LayerError.is(error) && String(error.message).includes('init broke'),
      )
      await kit.isClean(store, 1)
      await failsWith('ERR_MOUNT_NOT_FOUND', () => store.getRW('one'))
      await store.createRW('one', { parent: base.chainID })
    },
  },
  {
    name: 'a name is taken once, by whoever comes first, and a bad one never',
    run: async (kit) => {
      const store = await kit.open()
      const first = await store.createRW('one')
      await failsWith('ERR_MOUNT_NAME_CONFLICT', () => store.createRW('one'))
      assert.equal(await store.mountID('one'), first.mountID)
      const tries = await Promise.allSettled(Array.from({ length: 5 }, () => store.createRW('two')))
      assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1)
      for (const bad of ['', '..', 'a/b', '.hidden', 'x'.repeat(256)]) {
        await failsWith('ERR_INVALID_ARGUMENT', () => store.createRW(bad))
      }
      await kit.isClean(store, 2)
      assert.deepEqual((await allOf(store.rwLayers())).map(({ name }) => name).sort(), [
        'one',
        'two',
      ])
    },
  },
  {
    name: 'mounts are counted, and a mounted layer is not removed',
    run: async (kit) => {
      const store = await kit.open()
      const rw = await store.createRW('one', { parent: (await add(store, BASE)).chainID })
      const one = await rw.mount()
      const two = await rw.mount()
      assert.equal(one.path, two.path)
      await one[Symbol.asyncDispose]()
      await writeFile(join(two.path, 'still'), 'here')
      await failsWith('ERR_MOUNT_IN_USE', () => store.releaseRW(rw))
      await two[Symbol.asyncDispose]()
      assert.deepEqual(await told(rw), ['add /still'])
      await store.releaseRW(rw)
      await failsWith('ERR_MOUNT_NOT_FOUND', () => store.getRW('one'))
    },
  },
  {
    name: 'only the last reference removes, and then the parents that nobody else needs',
    run: async (kit) => {
      const store = await kit.open()
      const base = await add(store, BASE)
      const top = await add(store, [{ name: 't', data: 't' }], base.chainID)
      const one = await store.createRW('one', { parent: top.chainID })
      const two = await store.getRW('one')
      assert.deepEqual(await store.release(top), [])
      assert.deepEqual(await store.release(base), [])
      assert.deepEqual(await store.releaseRW(one), [])
      await failsWith('ERR_LAYER_NOT_RETAINED', () => store.releaseRW(one))
      assert.equal(await store.mountID('one'), two.mountID)
      const removed = (await store.releaseRW(two)).map(({ chainID }) => chainID)
      assert.deepEqual(removed, [top.chainID, base.chainID])
      await failsWith('ERR_MOUNT_NOT_FOUND', () => store.mountID('one'))
      await kit.isClean(store, 0)
    },
  },
  {
    name: 'a removal that fails can be tried again',
    run: async (kit) => {
      let armed = false
      const { store } = await kit.opened((call) => {
        if (armed && call === 'driver.remove') throw new Error('busy')
      })
      const rw = await store.createRW('one', { parent: (await add(store, BASE)).chainID })
      armed = true
      await assert.rejects(store.releaseRW(rw), (error) => LayerError.is(error))
      armed = false
      assert.equal(await store.mountID('one'), rw.mountID)
      await store.releaseRW(rw)
      await kit.isClean(store, 1)
    },
  },
  {
    name: 'a layer tar can be applied on the present state',
    run: async (kit) => {
      const store = await kit.open()
      const rw = await store.createRW('one', { parent: (await add(store, BASE)).chainID })
      await write(rw, (path) => writeFile(join(path, 'mine'), 'mine'))
      const size = await rw.applyDiff([
        tarOf([{ name: '.wh.bin' }, { name: 'theirs', data: 'abc' }]),
      ])
      assert.ok(size >= 3)
      assert.deepEqual(await told(rw), ['delete /bin', 'add /mine', 'add /theirs'])
    },
  },
  {
    name: 'commit makes a layer of the present state, on the same parent',
    run: async (kit) => {
      let store = await kit.open()
      const base = await add(store, BASE)
      const rw = await store.createRW('one', { parent: base.chainID })
      await write(rw, async (path) => {
        await writeFile(join(path, 'new'), 'new')
        await rm(join(path, 'bin'))
      })
      const layer = await rw.commit()
      assert.equal(layer.parent, base.chainID)
      await write(rw, (path) => writeFile(join(path, 'later'), 'later'))
      const { chainID } = layer
      await store.releaseRW(rw)
      store = await kit.reopen(store)
      const again = await store.createRW('two', { parent: chainID })
      await write(again, async (path) => {
        assert.equal(await readFile(join(path, 'new'), 'utf8'), 'new')
        await assert.rejects(readFile(join(path, 'bin')), { code: 'ENOENT' })
        await assert.rejects(readFile(join(path, 'later')), { code: 'ENOENT' })
      })
    },
  },
  {
    name: 'an unknown parent or option is refused and leaves nothing',
    run: async (kit) => {
      const store = await kit.open()
      const gone = await add(store, BASE)
      await store.release(gone)
      await failsWith('ERR_LAYER_NOT_FOUND', () => store.createRW('one', { parent: gone.chainID }))
      await failsWith('ERR_NOT_SUPPORTED', () =>
        store.createRW('one', { storageOptions: { 'no-such-option': '1' } }),
      )
      await kit.isClean(store, 0)
      assert.deepEqual(await chainIDs(store), [])
    },
  },
]
