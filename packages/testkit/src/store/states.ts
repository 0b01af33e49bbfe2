/** The states of read-write layers: copied, thrown away, prepared, and mounted for longer. */
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { failsWith } from '../expect.ts'
import { tarOf } from '../tar/build.ts'
import { add, bytes, type StoreCase, told, write } from './bed.ts'

const BASE = [{ name: 'etc/' }, { name: 'etc/hosts', data: 'base' }, { name: 'bin', data: 'bin' }]

export const states: readonly StoreCase[] = [
  {
    name: 'a copy starts with the present state, and both go their own ways',
    run: async (kit) => {
      const store = await kit.open()
      const { chainID: parent } = await add(store, BASE)
      const one = await store.createRW('one', { parent, annotations: { of: 'one' } })
      await write(one, async (path) => {
        await writeFile(join(path, 'etc/own'), 'first')
        await rm(join(path, 'bin'))
      })
      const two = await one.fork('two')
      assert.deepEqual([two.parent, two.annotations], [parent, { of: 'one' }])
      assert.notEqual(two.mountID, one.mountID)
      assert.deepEqual(await bytes(two.tar()), await bytes(one.tar()))
      await write(two, (path) => writeFile(join(path, 'etc/own'), 'second'))
      await write(one, async (path) => {
        assert.equal(await readFile(join(path, 'etc/own'), 'utf8'), 'first')
        await writeFile(join(path, 'later'), '')
      })
      assert.deepEqual(await told(two), ['delete /bin', 'modify /etc', 'add /etc/own'])
      await store.releaseRW(one)
      await write(two, async (path) => {
        assert.equal(await readFile(join(path, 'etc/own'), 'utf8'), 'second')
      })
      await kit.isClean(store, 2)
    },
  },
  {
    name: 'a copy has what init prepared, as no change of its own',
    run: async (kit) => {
      const store = await kit.open()
      const { chainID: parent } = await add(store, BASE)
      const init = (path: string) => writeFile(join(path, 'etc/hosts'), 'prepared')
      const one = await store.createRW('one', { parent, init })
      await write(one, (path) => writeFile(join(path, 'own'), 'own'))
      const two = await one.fork('two')
      assert.deepEqual(await told(two), ['add /own'])
      await store.releaseRW(one)
      await write(two, async (path) => {
        assert.equal(await readFile(join(path, 'etc/hosts'), 'utf8'), 'prepared')
      })
      await kit.isClean(store, 3)
    },
  },
  {
    name: 'a copy under a name that is taken leaves nothing',
    run: async (kit) => {
      const store = await kit.open()
      const one = await store.createRW('one')
      await failsWith('ERR_MOUNT_NAME_CONFLICT', () => one.fork('one'))
      await kit.isClean(store, 1)
    },
  },
  {
    name: 'a layer begins with the changes that it was given',
    run: async (kit) => {
      const store = await kit.open()
      const { chainID: parent } = await add(store, BASE)
      const changes = [tarOf([{ name: '.wh.bin' }, { name: 'new', data: 'new' }])]
      const rw = await store.createRW('one', { parent, changes })
      assert.deepEqual(await told(rw), ['delete /bin', 'add /new'])
      await failsWith('ERR_INVALID_TAR', () =>
        store.createRW('two', { parent, changes: [new Uint8Array(1024).fill(1)] }),
      )
      await failsWith('ERR_MOUNT_NOT_FOUND', () => store.getRW('two'))
      await kit.isClean(store, 2)
    },
  },
  {
    name: 'annotations are kept',
    run: async (kit) => {
      let store = await kit.open()
      const annotations = { image: 'alpine:3.20', note: 'line\nbreak' }
      await store.createRW('one', { annotations })
      store = await kit.reopen(store)
      assert.deepEqual((await store.getRW('one')).annotations, annotations)
    },
  },
  {
    name: 'a reset throws the changes away, and nothing else',
    needsCall: 'reset',
    run: async (kit) => {
      let store = await kit.open()
      const { chainID: parent } = await add(store, BASE)
      const init = (path: string) => writeFile(join(path, 'etc/hosts'), 'prepared')
      let rw = await store.createRW('one', { parent, init })
      await write(rw, async (path) => {
        await writeFile(join(path, 'own'), 'own')
        await rm(join(path, 'bin'))
      })
      await rw.reset()
      assert.deepEqual([await told(rw), await rw.size()], [[], 0])
      store = await kit.reopen(store)
      rw = await store.getRW('one')
      await write(rw, async (path) => {
        assert.equal(await readFile(join(path, 'etc/hosts'), 'utf8'), 'prepared')
        assert.equal(await readFile(join(path, 'bin'), 'utf8'), 'bin')
        await writeFile(join(path, 'after'), '')
      })
      assert.deepEqual(await told(rw), ['add /after'])
      await kit.isClean(store, 3)
    },
  },
  {
    name: 'what is mounted is not reset',
    needsCall: 'reset',
    run: async (kit) => {
      const store = await kit.open()
      const rw = await store.createRW('one')
      {
        await using mount = await rw.mount()
        await writeFile(join(mount.path, 'own'), 'own')
        await failsWith('ERR_MOUNT_IN_USE', () => rw.reset())
      }
      assert.deepEqual(await told(rw), ['add /own'])
      await rw.reset()
      assert.deepEqual(await told(rw), [])
    },
  },
  {
    name: 'what another process uses is not reset',
    needs: 'shared',
    needsCall: 'reset',
    run: async (kit) => {
      const [one, other] = [await kit.open(), await kit.open()]
      const rw = await one.createRW('one')
      const theirs = await other.getRW('one')
      await failsWith('ERR_MOUNT_IN_USE', () => rw.reset())
      await theirs[Symbol.asyncDispose]()
      await rw.reset()
    },
  },
  {
    name: 'a kept mount outlives its store, protects its layer, and ends when it is told to',
    needsCall: 'unmount',
    run: async (kit) => {
      let store = await kit.open()
      let rw = await store.createRW('one')
      const mount = await rw.mount({ keep: true })
      await writeFile(join(mount.path, 'own'), 'own')
      await mount[Symbol.asyncDispose]()
      store = await kit.reopen(store)
      rw = await store.getRW('one')
      assert.deepEqual(await rw.kept(), [{ path: mount.path, readOnly: false, count: 1 }])
      assert.equal(await readFile(join(mount.path, 'own'), 'utf8'), 'own')
      await failsWith('ERR_MOUNT_IN_USE', () => store.releaseRW(rw))
      await rw.mount({ keep: true })
      assert.equal(await rw.unmount(), 1)
      assert.equal(await rw.unmount(), 0)
      await failsWith('ERR_MOUNT_NOT_FOUND', () => rw.unmount())
      assert.deepEqual([await rw.kept(), await told(rw)], [[], ['add /own']])
      await store.releaseRW(rw)
      await kit.isClean(store, 0)
    },
  },
]
