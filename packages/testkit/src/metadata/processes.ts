/** Several processes on one store: lock, revision, holds, and what the dead leave behind. */
import assert from 'node:assert/strict'
import { LayerError, newCacheID } from '@varve/core'
import { allOf, failsWith } from '../expect.ts'
import { type MetadataCase, someLayer, someMount } from './bed.ts'

const pause = (ms = 20): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))

export const processes: readonly MetadataCase[] = [
  {
    name: 'an exclusive lock keeps everybody else out, here and elsewhere',
    run: async (kit) => {
      const stores = [await kit.open(), await kit.open()]
      let inside = 0
      let most = 0
      const work = async () => {
        most = Math.max(most, ++inside)
        await pause(2)
        inside--
      }
      const all = stores.flatMap((store) =>
        Array.from({ length: 5 }, () => store.lock('exclusive', work)),
      )
      await Promise.all(all)
      assert.equal(most, 1)
    },
  },
  {
    name: 'readers share the lock, and a writer waits for them',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      const events: string[] = []
      let writer: Promise<void> | undefined
      await one.lock('shared', async () => {
        await two.lock('shared', async () => void events.push('both read'))
        writer = two.lock('exclusive', async () => void events.push('wrote'))
        await pause()
        events.push('read')
      })
      await writer
      assert.deepEqual(events, ['both read', 'read', 'wrote'])
    },
  },
  {
    name: 'the lock is free again after the work under it failed, and gives its result',
    run: async (kit) => {
      const store = await kit.open()
      await assert.rejects(
        store.lock('exclusive', () => Promise.reject(new RangeError('in the lock'))),
        RangeError,
      )
      assert.equal(await store.lock('exclusive', async () => 5), 5)
      assert.equal(await (await kit.open()).lock('exclusive', async () => 6), 6)
    },
  },
  {
    name: 'waiting for the lock can be aborted, and then holds up nobody',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      const controller = new AbortController()
      let ran = false
      await one.lock('exclusive', async () => {
        const waiting = two.lock(
          'exclusive',
          async () => {
            ran = true
          },
          { signal: controller.signal },
        )
        const refused = failsWith('ERR_ABORTED', () => waiting)
        await pause()
        controller.abort()
        // An implementation that goes on waiting would wait for us, and we for it.
        await Promise.race([refused, pause(5000).then(() => assert.fail('it goes on waiting'))])
      })
      assert.equal(ran, false)
      assert.equal(await two.lock('exclusive', async () => 1), 1)
      await failsWith('ERR_ABORTED', () =>
        two.lock('shared', async () => {}, { signal: AbortSignal.abort() }),
      )
    },
  },
  {
    name: 'the revision differs after every change and after nothing else',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      const seen = [await two.lock('shared', () => two.revision())]
      const changed = async (what: string) => {
        const revision = await two.lock('shared', () => two.revision())
        assert.equal(await one.lock('shared', () => one.revision()), revision)
        assert.ok(!seen.includes(revision), `the same revision after ${what}`)
        seen.push(revision)
      }
      const record = await kit.layer(one)
      await changed('a new layer')
      await kit.mount(one, someMount('m'))
      await changed('a new mount')
      await (await one.lock('exclusive', () => one.retireMount('m'))).finish()
      await changed('a removed mount')
      const removal = await one.lock('exclusive', () => one.retire([record.chainID]))
      await changed('a retired layer')
      await one.lock('exclusive', () => removal.undo())
      await changed('a layer that came back')
      await one.layer(record.chainID)
      await allOf(one.layers())
      assert.equal(await two.lock('shared', () => two.revision()), seen.at(-1))
    },
  },
  {
    name: 'what one instance publishes or removes, another sees',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      assert.deepEqual(await allOf(two.layers()), [])
      const record = await kit.layer(one, someLayer(), { tarSplit: 'x' })
      assert.deepEqual(await two.layer(record.chainID), record)
      await (await two.lock('exclusive', () => two.retire([record.chainID]))).finish()
      assert.equal(await one.layer(record.chainID), undefined)
    },
  },
  {
    name: 'a hold is seen by others and not by its owner, until it is given back',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      const { chainID } = await kit.layer(one)
      const other = await kit.layer(one)
      const held = (store: typeof one) =>
        store.lock('exclusive', () => store.heldElsewhere(chainID))
      assert.deepEqual([await held(one), await held(two)], [false, false])
      await one.lock('exclusive', () => one.hold(chainID))
      assert.deepEqual([await held(one), await held(two)], [false, true])
      assert.equal(await two.lock('exclusive', () => two.heldElsewhere(other.chainID)), false)
      await two.lock('exclusive', () => two.hold(chainID))
      assert.deepEqual([await held(one), await held(two)], [true, true])
      await one.unhold(chainID)
      assert.deepEqual([await held(one), await held(two)], [true, false])
      await two.unhold(chainID)
      assert.deepEqual([await held(one), await held(two)], [false, false])
    },
  },
  {
    name: 'holds end with the instance that has them',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      const { chainID } = await kit.layer(one)
      await one.lock('exclusive', () => one.hold(chainID))
      await kit.close(one)
      assert.equal(await two.lock('exclusive', () => two.heldElsewhere(chainID)), false)
    },
  },
  {
    name: 'intents of the living are intended, not interrupted',
    run: async (kit) => {
      const [one, two] = [await kit.open(), await kit.open()]
      const ids = [newCacheID(), newCacheID()]
      await using _transaction = await one.begin(ids)
      await two.lock('exclusive', async () => {
        assert.deepEqual([...(await two.intended())].sort(), [...ids].sort())
        assert.deepEqual(await two.interrupted(), [])
      })
    },
  },
  {
    name: 'a closed instance can be closed again, and cannot be used',
    run: async (kit) => {
      const store = await kit.open()
      await kit.close(store)
      await store[Symbol.asyncDispose]()
      await assert.rejects(store.begin([newCacheID()]), (error) =>
        LayerError.is(error, 'ERR_CLOSED'),
      )
    },
  },
  {
    name: 'what a killed process had begun is interrupted, and finished by the next',
    needs: 'crash',
    run: async (kit) => {
      const [killed, next] = [await kit.open(), await kit.open()]
      const record = someLayer()
      const mount = someMount('half', { initID: newCacheID() })
      const begun = newCacheID()
      await killed.begin([begun])
      const layer = await killed.begin([record.cacheID])
      await layer.stageLayer(record, 'full')
      const created = await killed.begin([mount.mountID, mount.initID ?? newCacheID()])
      await created.stageMount(mount)
      await kit.crash(killed)
      assert.equal(await next.layer(record.chainID), undefined)
      assert.equal(await next.mount('half'), undefined)
      const wanted = [begun, record.cacheID, mount.mountID, mount.initID]
      await next.lock('exclusive', async () => {
        assert.deepEqual([...(await next.intended())], [])
        const left = await next.interrupted()
        assert.deepEqual(left.flatMap(({ cacheIDs }) => cacheIDs).sort(), wanted.sort())
        for (const pending of left) await pending.finish()
        assert.deepEqual(await next.interrupted(), [])
      })
      const later = await kit.open()
      await later.lock('exclusive', async () => assert.deepEqual(await later.interrupted(), []))
      assert.deepEqual(await allOf(later.layers()), [])
    },
  },
  {
    name: 'a removal by a killed process stays done, and is finished by the next',
    needs: 'crash',
    run: async (kit) => {
      const killed = await kit.open()
      const base = await kit.layer(killed)
      const top = await kit.layer(killed, someLayer(base.chainID))
      const mount = await kit.mount(killed, someMount('m'))
      await killed.lock('exclusive', () => killed.retire([top.chainID, base.chainID]))
      await killed.lock('exclusive', () => killed.retireMount('m'))
      await kit.crash(killed)
      const next = await kit.open()
      assert.deepEqual(await allOf(next.layers()), [])
      assert.deepEqual(await allOf(next.mounts()), [])
      await next.lock('exclusive', async () => {
        const left = await next.interrupted()
        const ids = left.flatMap(({ cacheIDs }) => cacheIDs)
        assert.deepEqual(ids.sort(), [base.cacheID, top.cacheID, mount.mountID].sort())
        for (const pending of left) await pending.finish()
        assert.deepEqual(await next.interrupted(), [])
      })
    },
  },
  {
    name: 'what a killed process had published is there, and its holds and locks are gone',
    needs: 'crash',
    run: async (kit) => {
      const [killed, next] = [await kit.open(), await kit.open()]
      const record = await kit.layer(killed, someLayer(), { tarSplit: 'record' })
      await killed.lock('exclusive', () => killed.hold(record.chainID))
      const stuck = killed.lock('exclusive', () => new Promise<void>(() => {}))
      stuck.catch(() => {})
      await pause()
      await kit.crash(killed)
      assert.deepEqual(await next.layer(record.chainID), record)
      assert.equal(await next.lock('exclusive', () => next.heldElsewhere(record.chainID)), false)
    },
  },
]
