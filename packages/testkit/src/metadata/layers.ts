/** Layers and read-write layers: written whole, read back, removed. */
import assert from 'node:assert/strict'
import { collect, digestOf, type MetadataStore, newCacheID } from '@varve/core'
import { allOf, equalBytes } from '../expect.ts'
import { type MetadataCase, someChainID, someLayer, someMount } from './bed.ts'

export const layers: readonly MetadataCase[] = [
  {
    name: 'an empty store has nothing',
    run: async (kit) => {
      const store = await kit.open()
      assert.deepEqual(await allOf(store.layers()), [])
      assert.deepEqual(await allOf(store.mounts()), [])
      assert.deepEqual(await allOf(store.damaged()), [])
      assert.equal(await store.layer(someChainID()), undefined)
      assert.equal(await store.mount('none'), undefined)
      assert.equal(await store.tarSplit(someChainID()), undefined)
      await exclusive(store, async () => {
        assert.deepEqual([...(await store.intended())], [])
        assert.deepEqual(await store.interrupted(), [])
      })
    },
  },
  {
    name: 'a published layer is read back as it was staged, here, elsewhere and after reopening',
    run: async (kit) => {
      const store = await kit.open()
      const base = await kit.layer(store, someLayer(undefined, 0))
      const record = await kit.layer(store, {
        ...someLayer(base.chainID, 12_345_678_901),
        descriptor: {
          mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
          digest: digestOf('blob'),
          size: 99,
          urls: ['file:///layer'],
          annotations: { 'ö"<&>': 'ü\n' },
        },
      })
      for (const reader of [store, await kit.open()]) {
        assert.deepEqual(await reader.layer(record.chainID), record)
        assert.deepEqual(await reader.layer(base.chainID), base)
        assert.equal((await allOf(reader.layers())).length, 2)
      }
      await kit.end()
      const reopened = await kit.open()
      assert.deepEqual(await reopened.layer(record.chainID), record)
    },
  },
  {
    name: 'a layer is invisible before publish, and a change that is left undoes itself',
    run: async (kit) => {
      const store = await kit.open()
      const record = someLayer()
      {
        await using transaction = await store.begin([record.cacheID])
        const sink = transaction.tarSplit()
        await sink.write(new Uint8Array(1000))
        await sink.close()
        await transaction.stageLayer(record, 'full')
        assert.equal(await store.layer(record.chainID), undefined)
        assert.deepEqual(await allOf(store.layers()), [])
        await exclusive(store, async () => {
          assert.deepEqual([...(await store.intended())], [record.cacheID])
        })
      }
      assert.equal(await store.layer(record.chainID), undefined)
      await exclusive(store, async () => {
        assert.deepEqual([...(await store.intended())], [])
        assert.deepEqual(await store.interrupted(), [])
      })
    },
  },
  {
    name: 'a change that is left before anything was staged undoes itself',
    run: async (kit) => {
      const store = await kit.open()
      for (const write of [false, true]) {
        await using transaction = await store.begin([newCacheID(), newCacheID()])
        if (write) await transaction.tarSplit().write(new Uint8Array(100))
      }
      await exclusive(store, async () => assert.equal((await store.intended()).size, 0))
    },
  },
  {
    name: 'a published change is no intent any more',
    run: async (kit) => {
      const store = await kit.open()
      const record = await kit.layer(store)
      await exclusive(store, async () => assert.deepEqual([...(await store.intended())], []))
      await kit.end()
      const next = await kit.open()
      await exclusive(next, async () => assert.deepEqual(await next.interrupted(), []))
      assert.deepEqual(await next.layer(record.chainID), record)
    },
  },
  {
    name: 'of two changes that publish one layer the second is told so and changes nothing',
    run: async (kit) => {
      const store = await kit.open()
      const record = await kit.layer(store, someLayer(), { tarSplit: 'first' })
      const second = { ...record, cacheID: newCacheID(), diffSize: 1 }
      {
        const other = await kit.open()
        await using transaction = await other.begin([second.cacheID])
        await transaction.stageLayer(second, 'full')
        assert.equal(await exclusive(other, () => transaction.publish()), false)
      }
      assert.deepEqual(await store.layer(record.chainID), record)
      assert.equal(await text(store, record.chainID), 'first')
    },
  },
  {
    name: 'a record of many chunks comes back byte for byte; without one there is none',
    run: async (kit) => {
      const store = await kit.open()
      const record = someLayer()
      const chunks = Array.from({ length: 300 }, (_, i) => new Uint8Array(i * 7).fill(i))
      const wanted = await collect(chunks, 2 ** 24)
      {
        await using transaction = await store.begin([record.cacheID])
        const sink = transaction.tarSplit()
        for (const chunk of chunks) {
          await sink.write(chunk)
          // A source may use its buffer again as soon as it is asked for more.
          chunk.fill(0)
        }
        await sink.close()
        await transaction.stageLayer(record, 'full')
        assert.equal(await exclusive(store, () => transaction.publish()), true)
      }
      const found = await store.tarSplit(record.chainID)
      assert.ok(found)
      equalBytes(await collect(found, 2 ** 24), wanted)
      const bare = await kit.layer(store)
      assert.equal(await store.tarSplit(bare.chainID), undefined)
    },
  },
  {
    name: 'a record can be rewritten before it is staged',
    run: async (kit) => {
      const store = await kit.open()
      const record = someLayer()
      await using transaction = await store.begin([record.cacheID])
      const sink = transaction.tarSplit()
      await sink.write(new TextEncoder().encode('what was written'))
      await sink.close()
      await transaction.rewriteTarSplit(async function* (old) {
        yield new TextEncoder().encode('before ')
        yield* old
        yield new TextEncoder().encode(' after')
      })
      await transaction.stageLayer(record, 'full')
      await exclusive(store, () => transaction.publish())
      assert.equal(await text(store, record.chainID), 'before what was written after')
    },
  },
  {
    name: 'a retired layer is not listed, belongs to a pending removal, and is gone when finished',
    run: async (kit) => {
      const store = await kit.open()
      const base = await kit.layer(store)
      const top = await kit.layer(store, someLayer(base.chainID), { tarSplit: 'x' })
      const removal = await exclusive(store, () => store.retire([top.chainID, base.chainID]))
      assert.equal(removal.kind, 'remove')
      assert.deepEqual([...removal.cacheIDs], [top.cacheID, base.cacheID])
      assert.equal(await store.layer(top.chainID), undefined)
      assert.equal(await store.tarSplit(top.chainID), undefined)
      assert.deepEqual(await allOf(store.layers()), [])
      await exclusive(store, async () => {
        assert.deepEqual([...(await store.intended())].sort(), [...removal.cacheIDs].sort())
        assert.deepEqual(await store.interrupted(), [])
      })
      await removal.finish()
      await exclusive(store, async () => assert.equal((await store.intended()).size, 0))
      assert.deepEqual(await allOf((await kit.open()).layers()), [])
    },
  },
  {
    name: 'a removal that is undone lists its layers again, record included',
    run: async (kit) => {
      const store = await kit.open()
      const base = await kit.layer(store)
      const top = await kit.layer(store, someLayer(base.chainID), { tarSplit: 'kept' })
      const removal = await exclusive(store, () => store.retire([top.chainID, base.chainID]))
      await exclusive(store, () => removal.undo())
      assert.deepEqual(await store.layer(top.chainID), top)
      assert.deepEqual(await store.layer(base.chainID), base)
      assert.equal(await text(store, top.chainID), 'kept')
      await exclusive(store, async () => assert.equal((await store.intended()).size, 0))
    },
  },
  {
    name: 'a layer that was retired can be published again while its removal is pending',
    run: async (kit) => {
      const store = await kit.open()
      const first = await kit.layer(store)
      const removal = await exclusive(store, () => store.retire([first.chainID]))
      const second = await kit.layer(store, { ...first, cacheID: newCacheID() })
      await removal.finish()
      assert.deepEqual(await store.layer(first.chainID), second)
    },
  },
  {
    name: 'read-write layers are published, listed, taken once, and removed',
    run: async (kit) => {
      const store = await kit.open()
      const base = await kit.layer(store)
      const plain = await kit.mount(store, someMount('plain'))
      const full = await kit.mount(
        store,
        someMount('full.of-parts_1', {
          initID: newCacheID(),
          parent: base.chainID,
          annotations: { image: 'alpine:3.20', '': '\u{1f600} \n "' },
        }),
      )
      for (const reader of [store, await kit.open()]) {
        assert.deepEqual(await reader.mount('plain'), plain)
        assert.deepEqual(await reader.mount('full.of-parts_1'), full)
        const names = (await allOf(reader.mounts())).map(({ name }) => name)
        assert.deepEqual(names.sort(), ['full.of-parts_1', 'plain'])
      }
      await assert.rejects(kit.mount(store, someMount('plain')), /there already/)
      assert.deepEqual(await store.mount('plain'), plain)
      const removal = await exclusive(store, () => store.retireMount('full.of-parts_1'))
      assert.equal(removal.kind, 'remove-mount')
      assert.deepEqual([...removal.cacheIDs].sort(), [full.mountID, full.initID].sort())
      assert.equal(await store.mount('full.of-parts_1'), undefined)
      await exclusive(store, () => removal.undo())
      assert.deepEqual(await store.mount('full.of-parts_1'), full)
      await (await exclusive(store, () => store.retireMount('full.of-parts_1'))).finish()
      assert.deepEqual(await allOf(store.mounts()), [plain])
    },
  },
  {
    name: 'an id that no layer has cannot be retired',
    run: async (kit) => {
      const store = await kit.open()
      const base = await kit.layer(store)
      await assert.rejects(exclusive(store, () => store.retire([someChainID()])))
      await assert.rejects(exclusive(store, () => store.retire([base.chainID, someChainID()])))
      assert.deepEqual(await store.layer(base.chainID), base, 'all of them or none')
    },
  },
]

function exclusive<T>(store: MetadataStore, fn: () => Promise<T>): Promise<T> {
  return store.lock('exclusive', fn)
}

async function text(store: MetadataStore, id: Parameters<MetadataStore['tarSplit']>[0]) {
  const record = await store.tarSplit(id)
  return record && new TextDecoder().decode(await collect(record, 2 ** 20))
}
