/** Layers are taken, named by content, given back, and counted. */
import assert from 'node:assert/strict'
import {
  chainIDOf,
  type DiffID,
  digestOf,
  EMPTY_DIFF_ID,
  emptyTar,
  type Layer,
  MAX_DEPTH,
  type ProgressEvent,
} from '@varve/core'
import { treeAt } from '../driver/kit.ts'
import { allOf, failsWith } from '../expect.ts'
import { tarOf } from '../tar/build.ts'
import { concat } from '../tar/bytes.ts'
import { add, bytes, chainIDs, type StoreCase } from './bed.ts'

const BIG = tarOf(Array.from({ length: 40 }, (_, i) => ({ name: `f${i}`, data: 'x'.repeat(5000) })))
const UNKNOWN = chainIDOf(undefined, digestOf('nothing') as DiffID)

export const registering: readonly StoreCase[] = [
  {
    name: 'a layer is named by its content and its parents, and counts their sizes',
    run: async (kit) => {
      const store = await kit.open()
      const tars = [tarOf([{ name: 'a', data: 'aaaa' }]), tarOf([{ name: 'b', data: 'bb' }])]
      const base = await add(store, [tars[0] as Uint8Array])
      const top = await add(store, [tars[1] as Uint8Array], base.chainID)
      assert.equal(base.diffID, digestOf(tars[0] as Uint8Array))
      assert.equal(base.chainID, base.diffID as string)
      assert.equal(top.chainID, chainIDOf(base.chainID, top.diffID))
      assert.deepEqual([base.parent, top.parent], [undefined, base.chainID])
      assert.deepEqual([base.depth, top.depth], [1, 2])
      assert.equal(top.size, base.diffSize + top.diffSize)
      assert.ok(base.diffSize >= 4 && top.diffSize >= 2)
      const chain = (await top.chain()).map(({ chainID }) => chainID)
      assert.deepEqual(chain, [top.chainID, base.chainID])
      assert.deepEqual(await chainIDs(store), [base.chainID, top.chainID].sort())
      assert.equal(await store.has(top.chainID), true)
      await kit.isClean(store, 2)
    },
  },
  {
    name: 'a layer that is mounted shows its chain',
    run: async (kit) => {
      const store = await kit.open()
      const base = await add(store, [
        { name: 'a', data: 'a' },
        { name: 'b', data: 'b' },
      ])
      const top = await add(store, [{ name: '.wh.a' }, { name: 'c', data: 'c' }], base.chainID)
      await using mount = await top.mount()
      assert.equal(mount.readOnly, true)
      assert.deepEqual([...(await treeAt(mount.path)).keys()], ['b', 'c'])
    },
  },
  {
    name: 'the empty layer has the DiffID that everybody knows',
    run: async (kit) => {
      const store = await kit.open()
      const layer = await store.register([emptyTar()])
      assert.equal(layer.diffID, EMPTY_DIFF_ID)
      assert.equal(layer.diffSize, 0)
      const two = await store.register([emptyTar()], { parent: layer.chainID })
      assert.ok(two.chainID.startsWith('sha256:170b376f') && two.chainID.endsWith('d548'))
      assert.deepEqual(await bytes(two.tar()), emptyTar())
    },
  },
  ...(
    [
      ['plain', [BIG]],
      [
        'in chunks of 100 bytes',
        Array.from({ length: Math.ceil(BIG.length / 100) }, (_, i) =>
          BIG.subarray(i * 100, i * 100 + 100),
        ),
      ],
      ['with junk behind its end', [BIG, new Uint8Array(7000), Uint8Array.of(1, 2, 3)]],
      ['without an end', [tarOf([{ name: 'f', data: 'f' }], { zeroBlocks: 0 })]],
      [
        'with a name three times',
        [
          tarOf([
            { name: 'f', data: '1' },
            { name: './f', data: '22' },
            { name: 'f', data: '333' },
          ]),
        ],
      ],
      [
        'with whiteouts that have bodies',
        [
          tarOf([
            { name: '.wh.f', data: 'body' },
            { name: 'g', data: 'g' },
          ]),
        ],
      ],
      [
        'with files that a directory replaces',
        [tarOf([{ name: 'd', data: 'file' }, { name: 'd/' }, { name: 'd/f', data: 'f' }])],
      ],
      [
        'with hard links, symlinks and sizes that are not true',
        [
          tarOf([
            { name: 'f', data: 'f' },
            { name: 'h', type: 'hardlink', link: 'f', size: 99 },
            { name: 's', type: 'symlink', link: 'f', size: 7 },
          ]),
        ],
      ],
    ] as const
  ).map(
    ([what, parts]): StoreCase => ({
      name: `a tar comes back byte for byte: ${what}`,
      run: async (kit) => {
        let store = await kit.open()
        const whole = concat(parts)
        const { chainID, diffID } = await store.register(parts)
        assert.equal(diffID, digestOf(whole))
        store = await kit.reopen(store)
        const layer = await store.get(chainID)
        assert.equal(digestOf(await bytes(layer.tar())), diffID)
        assert.equal(digestOf(await bytes(layer.tar())), diffID, 'the second time')
        await kit.isClean(store, 1)
      },
    }),
  ),
  {
    name: 'a layer that is there already is kept once, with a reference for each registration',
    run: async (kit) => {
      const store = await kit.open()
      const one = await add(store, [BIG])
      const two = await add(store, [BIG])
      assert.equal(two.chainID, one.chainID)
      await kit.isClean(store, 1)
      assert.deepEqual(await store.release(one), [])
      assert.deepEqual(
        (await store.release(two)).map(({ chainID }) => chainID),
        [one.chainID],
      )
      await kit.isClean(store, 0)
    },
  },
  {
    name: 'one layer registered ten times at once is kept once',
    run: async (kit) => {
      const store = await kit.open()
      const layers = await Promise.all(Array.from({ length: 10 }, () => add(store, [BIG])))
      assert.equal(new Set(layers.map(({ chainID }) => chainID)).size, 1)
      await kit.isClean(store, 1)
      const removed = []
      for (const layer of layers) removed.push(...(await store.release(layer)))
      assert.equal(removed.length, 1)
      await kit.isClean(store, 0)
    },
  },
  {
    name: 'releasing the top of four layers removes all four, child first, and tells their sizes',
    run: async (kit) => {
      const store = await kit.open()
      const layers: Layer[] = []
      for (const name of ['a', 'b', 'c', 'd']) {
        layers.push(await add(store, [{ name, data: name.repeat(10) }], layers.at(-1)?.chainID))
      }
      const top = layers.at(-1) as Layer
      for (const layer of layers.slice(0, 3)) assert.deepEqual(await store.release(layer), [])
      await kit.isClean(store, 4)
      const wanted = layers
        .toReversed()
        .map(({ chainID, diffID, size, diffSize }) => ({ chainID, diffID, size, diffSize }))
      assert.deepEqual(await store.release(top), wanted)
      await kit.isClean(store, 0)
      await failsWith('ERR_LAYER_NOT_FOUND', () => store.get(top.chainID))
    },
  },
  {
    name: 'a reference given back cannot be given back again, nor used to remove the layer',
    run: async (kit) => {
      const store = await kit.open()
      const one = await add(store, [BIG])
      const two = await store.get(one.chainID)
      await store.release(one)
      await failsWith('ERR_LAYER_NOT_RETAINED', () => store.release(one))
      await two[Symbol.asyncDispose]()
      await two[Symbol.asyncDispose]()
      await failsWith('ERR_LAYER_NOT_RETAINED', () => store.release(two))
      assert.deepEqual(await chainIDs(store), [one.chainID], 'disposing removes nothing')
    },
  },
  {
    name: 'gc removes what nobody needs and keeps what it is told to',
    run: async (kit) => {
      const store = await kit.open()
      const base = await add(store, [{ name: 'base', data: 'b' }])
      const kept = await add(store, [{ name: 'kept', data: 'k' }], base.chainID)
      const held = await add(store, [{ name: 'held', data: 'h' }])
      const unused = await add(store, [{ name: 'unused', data: 'u' }], base.chainID)
      for (const layer of [base, kept, unused]) await layer[Symbol.asyncDispose]()
      const keep = [kept.chainID]
      const told = await store.gc({ keep, dryRun: true })
      assert.deepEqual(
        told.map(({ chainID }) => chainID),
        [unused.chainID],
      )
      await kit.isClean(store, 4)
      assert.deepEqual(await store.gc({ keep }), told)
      assert.deepEqual(await store.gc({ keep }), [])
      assert.deepEqual(await chainIDs(store), [base.chainID, kept.chainID, held.chainID].sort())
      await kit.isClean(store, 3)
    },
  },
  {
    name: 'what is not a layer is not found, and what is no ChainID is refused',
    run: async (kit) => {
      const store = await kit.open()
      await failsWith('ERR_LAYER_NOT_FOUND', () => store.get(UNKNOWN))
      assert.equal(await store.has(UNKNOWN), false)
      for (const bad of ['../../x', 'sha256:..', UNKNOWN.toUpperCase()]) {
        await failsWith('ERR_INVALID_ARGUMENT', () => store.get(bad as typeof UNKNOWN))
      }
    },
  },
  {
    name: `a chain is ${MAX_DEPTH} layers deep at most, and two fewer than the driver takes`,
    run: async (kit) => {
      const store = await kit.open()
      let top: Layer | undefined
      const limit = Math.min(MAX_DEPTH, store.driver.capabilities.maxDepth - 2)
      for (let i = 0; i < limit; i++) {
        top = await store.register([emptyTar()], {
          ...(top ? { parent: top.chainID } : {}),
          durability: 'none',
        })
      }
      assert.equal(top?.depth, limit)
      await failsWith('ERR_MAX_DEPTH', () => add(store, [emptyTar()], top?.chainID))
      assert.equal((await allOf(store.driver.list())).length, limit)
    },
  },
  {
    name: 'a descriptor is kept with its layer',
    run: async (kit) => {
      let store = await kit.open()
      const descriptor = { mediaType: 'application/x-layer', digest: digestOf('blob'), size: 4 }
      const { chainID } = await add(store, [BIG], undefined, { descriptor })
      store = await kit.reopen(store)
      assert.deepEqual((await store.get(chainID)).descriptor, descriptor)
    },
  },
  {
    name: 'progress is told, up to every byte',
    run: async (kit) => {
      const store = await kit.open()
      const events: ProgressEvent[] = []
      const onProgress = (event: ProgressEvent) => void events.push(event)
      const chunks = [BIG.subarray(0, 100_000), BIG.subarray(100_000)]
      const layer = await store.register(chunks, { onProgress })
      const done = events.map((event) => event.done)
      assert.equal(done.at(-1), BIG.length)
      assert.deepEqual(
        done,
        done.toSorted((a, b) => a - b),
      )
      assert.ok(layer.diffSize > 0)
    },
  },
  {
    name: 'a difference over several layers, applied elsewhere, gives the same files',
    run: async (kit) => {
      const store = await kit.open()
      const base = await add(store, [
        { name: 'a', data: 'a' },
        { name: 'b', data: 'b' },
      ])
      const middle = await add(store, [{ name: '.wh.a' }, { name: 'm', data: 'm' }], base.chainID)
      const top = await add(store, [{ name: '.wh.m' }, { name: 'b', data: 'top' }], middle.chainID)
      const squashed = await add(store, [await bytes(top.tarFrom(base.chainID))], base.chainID)
      const whole = await add(store, [await bytes(top.tarFrom(undefined))])
      for (const layer of [squashed, whole, top]) {
        await using mount = await layer.mount()
        const found = [...(await treeAt(mount.path))].map(([path, { text }]) => [path, text])
        assert.deepEqual(found, [['b', 'top']])
      }
      for (const other of [top.chainID, squashed.chainID]) {
        await failsWith('ERR_INVALID_ARGUMENT', () => bytes(top.tarFrom(other)))
      }
    },
  },
]
