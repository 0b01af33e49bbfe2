/** Whatever fails, it is reported by its code and leaves nothing. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chainIDOf, type DiffID, digestOf, LayerError } from '@varve/core'
import { allOf, equalBytes, failsWith } from '../expect.ts'
import { tarOf } from '../tar/build.ts'
import { add, bytes, chainIDs, type StoreCase } from './bed.ts'

const TAR = tarOf([
  { name: 'd/f', data: 'content' },
  { name: 'd/g', data: 'x'.repeat(50_000) },
])
const UNKNOWN = chainIDOf(undefined, digestOf('nothing') as DiffID)
const CALLS = [
  'metadata.begin',
  'driver.create',
  'driver.applyDiff',
  'driver.sync',
  'metadata.lock',
] as const

export const failing: readonly StoreCase[] = [
  {
    name: 'a layer on an unknown parent is refused, and leaves nothing',
    run: async (kit) => {
      const store = await kit.open()
      await failsWith('ERR_LAYER_NOT_FOUND', () => add(store, [TAR], UNKNOWN))
      await kit.isClean(store, 0)
    },
  },
  {
    name: 'a layer that is not the expected one is refused, and leaves nothing',
    run: async (kit) => {
      const store = await kit.open()
      const expect = digestOf('something else') as DiffID
      await failsWith('ERR_DIGEST_MISMATCH', () => store.register([TAR], { expect }))
      await kit.isClean(store, 0)
      const right = await store.register([TAR], { expect: digestOf(TAR) as DiffID })
      assert.equal(right.diffID, digestOf(TAR))
    },
  },
  {
    name: 'a bad tar is refused, leaves nothing, and can be followed by the good one',
    run: async (kit) => {
      const store = await kit.open()
      const base = await add(store, [{ name: 'base', data: 'b' }])
      await failsWith('ERR_TRUNCATED', () => add(store, [TAR.subarray(0, 9000)], base.chainID))
      await failsWith('ERR_INVALID_TAR', () =>
        add(store, [new Uint8Array(2048).fill(0x41)], base.chainID),
      )
      await failsWith('ERR_UNSAFE_PATH', () =>
        add(store, [{ name: '../x', data: 'x' }], base.chainID),
      )
      await kit.isClean(store, 1)
      const good = await add(store, [TAR], base.chainID)
      equalBytes(await bytes(good.tar()), TAR)
      assert.deepEqual(await store.release(base), [])
      assert.equal((await store.release(good)).length, 2, 'no failure kept a reference')
    },
  },
  {
    name: 'an abort in the middle leaves nothing',
    run: async (kit) => {
      const store = await kit.open()
      const controller = new AbortController()
      const tar = (function* () {
        yield TAR.subarray(0, 20_000)
        controller.abort()
        yield TAR.subarray(20_000)
      })()
      await failsWith('ERR_ABORTED', () => store.register(tar, { signal: controller.signal }))
      await failsWith('ERR_ABORTED', () => store.register([TAR], { signal: AbortSignal.abort() }))
      await kit.isClean(store, 0)
    },
  },
  {
    name: 'a source that fails leaves nothing, and its error is the cause',
    run: async (kit) => {
      const store = await kit.open()
      const broken = new RangeError('the source broke')
      const tar = (function* () {
        yield TAR.subarray(0, 20_000)
        throw broken
      })()
      await assert.rejects(
        store.register(tar),
        (error) => LayerError.is(error) && mentions(error, broken),
      )
      await kit.isClean(store, 0)
    },
  },
  ...CALLS.map(
    (failingCall): StoreCase => ({
      name: `a registration whose ${failingCall} fails says so, leaves nothing, and can be repeated`,
      run: async (kit) => {
        let armed = false
        const { store } = await kit.opened((call) => {
          if (!armed || call !== failingCall) return
          armed = false
          throw new LayerError('ERR_NO_SPACE', 'Cannot write: no space left on device')
        })
        const base = await add(store, [{ name: 'base', data: 'b' }])
        armed = true
        await failsWith('ERR_NO_SPACE', () => add(store, [TAR], base.chainID))
        armed = false
        await kit.isClean(store, 1)
        const layer = await add(store, [TAR], base.chainID)
        await store.release(base)
        assert.equal((await store.release(layer)).length, 2)
      },
    }),
  ),
  {
    name: 'a layer whose removal fails is gone from the list, and swept later',
    run: async (kit) => {
      let armed = false
      const { store } = await kit.opened((call) => {
        if (armed && call === 'driver.remove') throw new Error('busy')
      })
      const layer = await add(store, [TAR])
      armed = true
      await assert.rejects(store.release(layer), (error) => LayerError.is(error))
      armed = false
      const next = await kit.reopen(store)
      await next.cleanup()
      assert.deepEqual(await chainIDs(next), [])
      await kit.isClean(next, 0)
    },
  },
  {
    name: 'a file put into a layer does not alter its tar',
    needs: 'alter',
    run: async (kit) => {
      const store = await kit.open()
      const layer = await add(store, [TAR])
      await kit.bed.alter?.(store.driver, layer.cacheID, (path) =>
        writeFile(join(path, 'd/injected'), 'x'),
      )
      assert.equal(digestOf(await bytes(layer.tar())), layer.diffID)
    },
  },
  {
    name: 'a tar that cannot be given back ends in an error, never in a clean end',
    needs: 'alter',
    needsCodec: true,
    run: async (kit) => {
      const store = await kit.open()
      for (const [name, text] of [
        ['same length', 'CONTENT'],
        ['shorter', 'con'],
        ['longer', 'content and more'],
      ] as const) {
        const tar = tarOf([
          { name: 'd/f', data: 'content' },
          { name, data: name },
        ])
        const layer = await add(store, [tar])
        await kit.bed.alter?.(store.driver, layer.cacheID, (path) =>
          writeFile(join(path, 'd/f'), text),
        )
        const codes = ['ERR_CORRUPT_LAYER', 'ERR_DIGEST_MISMATCH'] as const
        await failsWith(codes, () => bytes(layer.tar()))
      }
    },
  },
  {
    name: 'check --full names a layer whose files were altered, and repair sets it aside',
    needs: 'alter',
    needsCodec: true,
    run: async (kit) => {
      const store = await kit.open()
      const good = await add(store, [{ name: 'good', data: 'g' }])
      const bad = await add(store, [TAR])
      await kit.bed.alter?.(store.driver, bad.cacheID, (path) =>
        writeFile(join(path, 'd/f'), 'CONTENT'),
      )
      const found = await allOf(store.check({ full: true }))
      assert.ok(found.length > 0 && found.every(({ subject }) => subject === bad.chainID))
      assert.ok(found.every(({ repaired }) => !repaired))
      const repaired = await allOf(store.check({ full: true, repair: true }))
      assert.ok(repaired.some(({ subject, repaired: done }) => subject === bad.chainID && done))
      assert.equal(await store.has(bad.chainID), false)
      const again = await add(store, [TAR])
      assert.equal(digestOf(await bytes(again.tar())), again.diffID)
      assert.equal(await store.has(good.chainID), true)
    },
  },
  {
    name: 'check --full does not blame a layer for what is damaged beneath it',
    needs: 'alter',
    needsCodec: true,
    run: async (kit) => {
      const store = await kit.open()
      const bad = await add(store, [TAR])
      await add(store, [{ name: 'above', data: 'a' }], bad.chainID)
      await kit.bed.alter?.(store.driver, bad.cacheID, (path) =>
        writeFile(join(path, 'd/f'), 'CONTENT'),
      )
      const found = await allOf(store.check({ full: true }))
      assert.deepEqual([...new Set(found.map(({ subject }) => subject))], [bad.chainID])
    },
  },
  {
    name: 'repair does not take the files of a damaged layer away from beneath a read-write layer',
    needs: 'alter',
    needsCodec: true,
    run: async (kit) => {
      let store = await kit.open()
      const { chainID, cacheID } = await add(store, [TAR])
      await store.createRW('one', { parent: chainID })
      await kit.bed.alter?.(store.driver, cacheID, (path) =>
        writeFile(join(path, 'd/f'), 'CONTENT'),
      )
      store = await kit.reopen(store)
      const isShared = store.driver.capabilities.mount === 'kernel'
      const found = await allOf(store.check({ full: true, repair: true }))
      const ofLayer = found.filter(({ subject }) => subject === chainID)
      assert.ok(ofLayer.length > 0 && ofLayer.every(({ repaired }) => repaired !== isShared))
      assert.equal(await store.has(chainID), isShared)
      const rw = await store.getRW('one')
      await using mount = await rw.mount()
      assert.equal((await readFile(join(mount.path, 'd/g'), 'utf8')).length, 50_000)
    },
  },
  {
    name: 'check names a layer whose files are missing',
    run: async (kit) => {
      const store = await kit.open()
      const layer = await add(store, [TAR])
      await store.driver.remove(layer.cacheID)
      const found = await allOf(store.check())
      assert.deepEqual(
        found.map(({ kind, subject }) => [kind, subject]),
        [['missing-data', layer.chainID]],
      )
      await assert.rejects(bytes(layer.tar()), (error) => LayerError.is(error))
    },
  },
  {
    name: 'a damaged layer does not stop the store from opening, and is replaced by its next pull',
    needs: 'damage',
    run: async (kit) => {
      let store = await kit.open()
      const good = await add(store, [{ name: 'good', data: 'g' }])
      const bad = await add(store, [TAR])
      await kit.close(store)
      await kit.bed.damage?.('layer', bad.chainID)
      store = await kit.open()
      assert.equal(await store.has(bad.chainID), false)
      assert.equal(await store.has(good.chainID), true)
      await failsWith(['ERR_CORRUPT_METADATA', 'ERR_LAYER_NOT_FOUND'], () => store.get(bad.chainID))
      const found = await allOf(store.check())
      assert.ok(
        found.some(({ kind, subject }) => kind === 'damaged-metadata' && subject === bad.chainID),
      )
      const again = await add(store, [TAR])
      assert.equal(digestOf(await bytes(again.tar())), bad.diffID)
      await store.cleanup()
      await kit.isClean(store, 2)
    },
  },
  {
    name: 'cleanup removes driver layers that nothing refers to, and nothing else',
    run: async (kit) => {
      const { store, parts } = await kit.opened()
      const layer = await add(store, [TAR])
      const rw = await store.createRW('rw', { parent: layer.chainID })
      const orphan = `${'ab'.repeat(32)}` as typeof layer.cacheID
      await parts.driver.create(orphan)
      const found = await allOf(store.check())
      assert.deepEqual(
        found.map(({ kind, subject }) => [kind, subject]),
        [['unreferenced-data', orphan]],
      )
      assert.ok((await store.cleanup()).length > 0)
      assert.equal(await parts.driver.exists(orphan), false)
      assert.equal(await parts.driver.exists(rw.mountID), true)
      await kit.isClean(store, 2)
    },
  },
]

function mentions(error: unknown, wanted: Error): boolean {
  if (error === wanted) return true
  if (error instanceof AggregateError) return error.errors.some((each) => mentions(each, wanted))
  return error instanceof Error && mentions(error.cause, wanted)
}
