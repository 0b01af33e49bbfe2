/** A damaged layer gets the files of a whole one. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, type DiffID, digestOf, newCacheID } from '@varve/core'
import { failsWith } from '../expect.ts'
import { tarOf } from '../tar/build.ts'
import type { DriverCase } from './case.ts'
import type { Kit } from './kit.ts'

const BASE = tarOf([
  { name: 'kept', data: 'kept' },
  { name: 'gone', data: 'gone' },
])
const TAR = tarOf([
  { name: 'd/', mode: 0o1750 },
  { name: 'd/f', data: 'content', mode: 0o4711 },
  { name: '.wh.gone' },
])

/** A finished layer, as a store makes it. */
async function made(kit: Kit, tar: Uint8Array, parent?: CacheID): Promise<CacheID> {
  const id = await kit.create(parent)
  const digest = () => digestOf(tar) as DiffID
  await using _applied = await kit.driver.applyDiff(id, parent, [tar], { digest })
  return id
}

/** Two layers of the same tar on the same base, and a read-write layer on the first. */
async function twins(kit: Kit) {
  const base = await made(kit, BASE)
  const id = await made(kit, TAR, base)
  const other = await made(kit, TAR, base)
  const above = await kit.readWrite(id)
  await kit.mounted(above, (path) => writeFile(join(path, 'own'), 'own'))
  return { base, id, other, above }
}

const replaces: DriverCase['when'] = (_capabilities, _around, driver) =>
  driver.replace !== undefined

export const replacing: readonly DriverCase[] = [
  {
    name: 'a layer that gets the files of its twin is as it was made, and so is what stands on it',
    when: replaces,
    run: async (kit) => {
      const { base, id, other, above } = await twins(kit)
      const before = await kit.texts(id)
      const shown = await kit.texts(above)
      const { alter } = kit.around
      if (alter) await alter(kit.driver, id, (path) => writeFile(join(path, 'd/f'), 'CONTENT'))
      await kit.driver.replace?.(id, other)
      await kit.driver.remove(other)
      assert.deepEqual(await kit.texts(id), before)
      assert.deepEqual(await kit.texts(above), shown)
      assert.deepEqual(await kit.changes(above, id), ['A /own'])
      assert.deepEqual(await kit.changes(id, base), ['A /d', 'A /d/f', 'D /gone'])
      assert.deepEqual(await kit.ids(), [base, id, above].sort())
    },
  },
  {
    name: 'a layer gets no other files while it is mounted, or what shares its files',
    when: replaces,
    run: async (kit) => {
      const { id, other, above } = await twins(kit)
      const before = await kit.texts(id)
      const refused = () => failsWith('ERR_MOUNT_IN_USE', () => kit.driver.replace?.(id, other))
      await kit.mounted(id, refused, true)
      if (kit.driver.capabilities.mount === 'kernel') {
        await kit.mounted(above, refused)
        const top = await kit.readWrite(await made(kit, TAR, id))
        await (await kit.driver.mount(top, { keep: true }))[Symbol.asyncDispose]()
        await refused()
        await kit.driver.unmount?.(top)
      }
      assert.deepEqual(await kit.texts(id), before)
      await kit.driver.replace?.(id, other)
      assert.deepEqual(await kit.texts(id), before)
    },
  },
  {
    name: 'a layer that is not there neither gets files nor gives them',
    when: replaces,
    run: async (kit) => {
      const { id } = await twins(kit)
      const before = await kit.texts(id)
      const nobody = newCacheID()
      await failsWith('ERR_LAYER_NOT_FOUND', () => kit.driver.replace?.(id, nobody))
      await failsWith('ERR_LAYER_NOT_FOUND', () => kit.driver.replace?.(nobody, id))
      assert.deepEqual(await kit.texts(id), before)
    },
  },
]
