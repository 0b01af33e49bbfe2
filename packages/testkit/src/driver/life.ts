/** Layers come, are listed, stand on each other and go. */
import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { asCacheID, type CacheID, newCacheID } from '@varve/core'
import { equalBytes, failsWith } from '../expect.ts'
import { tarOf } from '../tar/build.ts'
import type { DriverCase } from './case.ts'
import { show } from './kit.ts'

/** A tar that ends in its second file. */
const TRUNCATED = tarOf([
  { name: 'whole', data: 'w' },
  { name: 'half', data: 'h'.repeat(5000) },
]).slice(0, 3000)

export const life: readonly DriverCase[] = [
  {
    name: 'an empty layer exists, is empty, and its root is 0755',
    run: async (kit) => {
      const id = await kit.create()
      assert.equal(await kit.driver.exists(id), true)
      assert.deepEqual([...(await kit.shown(id))], [])
      const root = await kit.mounted(id, show, true)
      assert.equal(root.mode, 0o755)
      if (kit.around.isRoot) assert.equal(root.owner, '0:0')
      assert.deepEqual(await kit.changes(id), [])
      assert.equal(await kit.driver.diffSize(id), 0)
    },
  },
  {
    name: 'an unknown layer does not exist and cannot be used',
    run: async ({ driver }) => {
      const id = newCacheID()
      assert.equal(await driver.exists(id), false)
      await failsWith('ERR_LAYER_NOT_FOUND', () => driver.mount(id))
      await failsWith('ERR_LAYER_NOT_FOUND', () =>
        driver.applyDiff(id, undefined, [new Uint8Array(1024)]),
      )
      await failsWith('ERR_LAYER_NOT_FOUND', () => driver.diffSize(id))
      if (driver.files) await failsWith('ERR_LAYER_NOT_FOUND', () => driver.files?.(id))
    },
  },
  {
    name: 'a layer cannot be made on a parent that is not there, and leaves nothing',
    run: async (kit) => {
      const parent = newCacheID()
      await failsWith('ERR_LAYER_NOT_FOUND', () => kit.create(parent))
      await failsWith('ERR_LAYER_NOT_FOUND', () => kit.readWrite(parent))
      await kit.isEmpty()
    },
  },
  {
    name: 'an id that is no id is refused before it becomes a path',
    run: async (kit) => {
      for (const bad of ['../../x', 'A'.repeat(64), '', '.', `${'a'.repeat(64)}/x`]) {
        await failsWith('ERR_INVALID_ARGUMENT', () => kit.driver.create(bad as CacheID))
        await failsWith('ERR_INVALID_ARGUMENT', () => kit.driver.createReadWrite(bad as CacheID))
      }
      await kit.isEmpty()
    },
  },
  {
    name: 'list names every layer: empty, filled, unfinished and read-write',
    run: async (kit) => {
      const base = await kit.layer([{ name: 'f', data: 'f' }])
      const empty = await kit.create(base)
      const readWrite = await kit.readWrite(base)
      const init = asCacheID(`${newCacheID()}-init`)
      await kit.driver.createReadWrite(init, { parent: base })
      const broken = await kit.create()
      await failsWith('ERR_TRUNCATED', () => kit.apply(broken, undefined, [TRUNCATED]))
      assert.deepEqual(await kit.ids(), [base, empty, readWrite, init, broken].sort())
    },
  },
  {
    name: 'remove clears a layer away, a filled, unfinished or unknown one alike',
    run: async (kit) => {
      const base = await kit.layer([
        { name: 'd/f', data: 'f' },
        { name: 'ro/', mode: 0o500 },
      ])
      const child = await kit.create(base)
      await failsWith('ERR_TRUNCATED', () => kit.apply(child, base, [TRUNCATED]))
      const readWrite = await kit.readWrite(base)
      for (const id of [child, readWrite, base, base, newCacheID()]) {
        await kit.driver.remove(id)
        assert.equal(await kit.driver.exists(id), false)
      }
      await kit.isEmpty()
      await failsWith('ERR_LAYER_NOT_FOUND', () => kit.driver.mount(base))
    },
  },
  {
    name: 'an id can be used again after it was removed, and nothing is left of the first',
    run: async (kit) => {
      const id = await kit.layer([{ name: 'first', data: '1' }])
      await kit.driver.remove(id)
      await kit.driver.create(id)
      await (await kit.apply(id, undefined, [{ name: 'second', data: '2' }]))[Symbol.asyncDispose]()
      assert.deepEqual(await kit.texts(id), { second: '2' })
    },
  },
  {
    name: 'a child sees what its parents hold',
    run: async (kit) => {
      const base = await kit.layer([
        { name: 'a', data: 'base' },
        { name: 'b', data: 'base' },
      ])
      const middle = await kit.layer([{ name: 'b', data: 'middle' }], base)
      const top = await kit.layer([{ name: 'c', data: 'top' }], middle)
      assert.deepEqual(await kit.texts(top), { a: 'base', b: 'middle', c: 'top' })
      assert.deepEqual(await kit.texts(await kit.create(top)), { a: 'base', b: 'middle', c: 'top' })
    },
  },
  {
    name: 'a stack as deep as the driver allows can be read, up to 128',
    run: async (kit) => {
      const depth = Math.min(kit.driver.capabilities.maxDepth, 128)
      let top: CacheID | undefined
      const wanted: Record<string, string> = {}
      for (let i = 0; i < depth; i++) {
        wanted[`layer-${i}`] = String(i)
        top = await kit.layer(
          [
            { name: `layer-${i}`, data: String(i) },
            { name: 'top', data: `${i}` },
          ],
          top,
        )
      }
      assert.deepEqual(await kit.texts(top as CacheID), { ...wanted, top: String(depth - 1) })
    },
  },
  {
    name: 'work on a child never changes its parent',
    run: async (kit) => {
      const base = await kit.layer([
        { name: 'd/f', data: 'old', mode: 0o640 },
        { name: 'd/g', type: 'hardlink', link: 'd/f', mode: 0o640 },
        { name: 'gone', data: 'g' },
        { name: 's', type: 'symlink', link: 'd' },
      ])
      const before = [...(await kit.shown(base))]
      const tar = await kit.diff(base)
      const child = await kit.layer(
        [
          { name: 'd/', mode: 0o700 },
          { name: 'd/f', data: 'new' },
          { name: 's/added', data: 'a' },
          { name: '.wh.gone' },
        ],
        base,
      )
      const link = await kit.layer(
        [{ name: 'h', type: 'hardlink', link: 'd/f', mode: 0o777, mtime: 5 }],
        base,
      )
      const readWrite = await kit.readWrite(base)
      await kit.mounted(readWrite, (path) => scribble(path))
      for (const id of [child, link, readWrite]) await kit.driver.remove(id)
      assert.deepEqual([...(await kit.shown(base))], before)
      equalBytes(await kit.diff(base), tar)
    },
  },
  {
    name: 'sync and cleanup leave finished layers as they are',
    run: async (kit) => {
      const base = await kit.layer([{ name: 'f', data: 'f' }])
      const top = await kit.layer([{ name: 'g', data: 'g' }], base)
      await kit.driver.sync([base, top])
      assert.ok(Array.isArray(await kit.driver.cleanup()))
      assert.deepEqual(await kit.ids(), [base, top].sort())
      assert.deepEqual(await kit.texts(top), { f: 'f', g: 'g' })
    },
  },
  {
    name: 'status is a list of texts',
    run: async ({ driver }) => {
      for (const [key, value] of Object.entries(await driver.status())) {
        assert.ok(key.length > 0 && typeof value === 'string')
      }
      assert.match(driver.name, /^[a-z0-9-]+$/)
    },
  },
  {
    name: 'a storage option that the driver does not know is refused and leaves nothing',
    run: async (kit) => {
      await failsWith('ERR_NOT_SUPPORTED', () =>
        kit.driver.createReadWrite(newCacheID(), { storageOptions: { 'no-such-option': '1' } }),
      )
      await kit.isEmpty()
    },
  },
]

/** What a container might do. */
async function scribble(path: string): Promise<void> {
  await writeFile(join(path, 'd/f'), 'scribbled')
  await writeFile(join(path, 'd/more'), 'more')
  await rm(join(path, 'gone'))
}
