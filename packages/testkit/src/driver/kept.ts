/** Mounts that are kept outlive who asked for them, and are counted. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CacheID, Driver } from '@varve/core'
import { newCacheID } from '@varve/core'
import { failsWith } from '../expect.ts'
import type { DriverCase } from './case.ts'
import type { Kit } from './kit.ts'

/** A driver that can keep mounts. */
type Keeper = Driver & Required<Pick<Driver, 'unmount' | 'kept'>>

const keeps = (driver: Driver): driver is Keeper => driver.unmount !== undefined

/** A case that is given such a driver, and a read-write layer on a base. */
function keptCase(
  name: string,
  run: (kit: Kit, driver: Keeper, id: CacheID) => Promise<void>,
): DriverCase {
  return {
    name,
    when: (_capabilities, _around, driver) => keeps(driver),
    async run(kit) {
      assert.ok(keeps(kit.driver) && kit.driver.kept)
      const id = await kit.readWrite(await kit.layer([{ name: 'f', data: 'f' }]))
      await run(kit, kit.driver, id)
    },
  }
}

/** Keeps a mount and leaves it, as a process does that ends. */
async function keep(driver: Driver, id: CacheID, readOnly = false): Promise<string> {
  await using mount = await driver.mount(id, { keep: true, readOnly })
  return mount.path
}

export const kept: readonly DriverCase[] = [
  keptCase(
    'a mount that is kept stays when it is disposed of, until unmounted',
    async (kit, driver, id) => {
      const path = await keep(driver, id)
      assert.deepEqual(await driver.kept(id), [{ path, readOnly: false, count: 1 }])
      assert.equal(await readFile(join(path, 'f'), 'utf8'), 'f')
      await writeFile(join(path, 'g'), 'g')
      assert.equal(await driver.unmount(id), 0)
      assert.deepEqual(await driver.kept(id), [])
      assert.deepEqual(await kit.texts(id), { f: 'f', g: 'g' })
    },
  ),
  keptCase('a mount is kept as often as it was asked for', async (_kit, driver, id) => {
    const path = await keep(driver, id)
    assert.equal(await keep(driver, id), path)
    await keep(driver, id)
    assert.deepEqual(await driver.kept(id), [{ path, readOnly: false, count: 3 }])
    assert.equal(await driver.unmount(id), 2)
    await writeFile(join(path, 'g'), 'g')
    assert.equal(await driver.unmount(id, { all: true }), 0)
    await failsWith('ERR_MOUNT_NOT_FOUND', () => driver.unmount(id))
  }),
  keptCase(
    'a kept mount and another holder do not take it from each other',
    async (kit, driver, id) => {
      {
        await using mount = await driver.mount(id)
        const path = await keep(driver, id)
        assert.equal(mount.path, path)
        assert.equal(await driver.unmount(id), 0)
        await writeFile(join(mount.path, 'g'), 'g')
        await keep(driver, id)
      }
      const [still] = await driver.kept(id)
      await writeFile(join(still?.path ?? '', 'h'), 'h')
      await driver.unmount(id)
      assert.deepEqual(await kit.texts(id), { f: 'f', g: 'g', h: 'h' })
    },
  ),
  keptCase('writable and read-only mounts are kept apart', async (kit, driver, id) => {
    const [writable, view] = [await keep(driver, id), await keep(driver, id, true)]
    assert.deepEqual(
      (await driver.kept(id)).map(({ readOnly, count }) => [readOnly, count]),
      [
        [false, 1],
        [true, 1],
      ],
    )
    await writeFile(join(writable, 'g'), 'g')
    assert.equal(await readFile(join(view, 'g'), 'utf8'), 'g')
    assert.equal(await driver.unmount(id), 0)
    assert.equal(await readFile(join(view, 'g'), 'utf8'), 'g')
    await failsWith('ERR_MOUNT_NOT_FOUND', () => driver.unmount(id))
    assert.equal(await driver.unmount(id, { readOnly: true }), 0)
    assert.deepEqual(await kit.texts(id), { f: 'f', g: 'g' })
  }),
  keptCase('a kept read-only mount of a read-only layer is the layer', async (kit, driver) => {
    const base = await kit.layer([{ name: 'only', data: 'read' }])
    const path = await keep(driver, base, true)
    assert.equal(await readFile(join(path, 'only'), 'utf8'), 'read')
    assert.equal(await driver.unmount(base, { readOnly: true }), 0)
  }),
  keptCase('a read-write layer on nothing can be kept mounted too', async (kit, driver) => {
    const id = await kit.readWrite()
    const path = await keep(driver, id)
    await writeFile(join(path, 'f'), 'f')
    assert.deepEqual(await driver.kept(id), [{ path, readOnly: false, count: 1 }])
    await failsWith('ERR_MOUNT_IN_USE', () => driver.remove(id))
    assert.equal(await driver.unmount(id), 0)
    assert.deepEqual(await kit.texts(id), { f: 'f' })
  }),
  keptCase(
    'a layer with a kept mount is not removed, nor unmounted by cleanup',
    async (kit, driver, id) => {
      const path = await keep(driver, id)
      await failsWith('ERR_MOUNT_IN_USE', () => driver.remove(id))
      assert.deepEqual(await driver.cleanup(), [])
      await writeFile(join(path, 'g'), 'g')
      assert.deepEqual(await kit.texts(id), { f: 'f', g: 'g' })
      await driver.unmount(id)
      await driver.remove(id)
      assert.equal(await driver.exists(id), false)
    },
  ),
  keptCase('what is not there or not kept cannot be unmounted', async (_kit, driver, id) => {
    await failsWith('ERR_MOUNT_NOT_FOUND', () => driver.unmount(id))
    await failsWith('ERR_MOUNT_NOT_FOUND', () => driver.unmount(id, { all: true }))
    await failsWith('ERR_LAYER_NOT_FOUND', () => driver.unmount(newCacheID()))
    await failsWith('ERR_LAYER_NOT_FOUND', () => driver.kept(newCacheID()))
    await using _mount = await driver.mount(id)
    assert.deepEqual(await driver.kept(id), [])
    await failsWith('ERR_MOUNT_NOT_FOUND', () => driver.unmount(id))
  }),
]
