/** Read-write layers are copied as they are, and reset to what they stand on. */
import assert from 'node:assert/strict'
import { chmod, link, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, newCacheID } from '@varve/core'
import { failsWith } from '../expect.ts'
import type { DriverCase } from './case.ts'
import type { Kit } from './kit.ts'

const BASE = [
  { name: 'etc/' },
  { name: 'etc/hosts', data: 'hosts' },
  { name: 'opaque/old', data: 'old' },
  { name: 'gone', data: 'gone' },
  { name: 'kept', data: 'kept' },
]

/** A read-write layer with every kind of change on a base. */
async function changed(kit: Kit): Promise<{ readonly base: CacheID; readonly id: CacheID }> {
  const base = await kit.layer(BASE)
  const id = await kit.readWrite(base)
  const tar = [
    { name: 'd/', mode: 0o1770, mtime: 1_234_567_890 },
    { name: 'd/x', data: 'x', mode: 0o4711, xattrs: { 'user.kind': 'odd' } },
    { name: 's', type: 'symlink', link: 'nowhere' },
  ] as const
  await (await kit.apply(id, base, tar))[Symbol.asyncDispose]()
  await kit.mounted(id, async (path) => {
    const at = (name: string) => join(path, name)
    await rm(at('gone'))
    await rm(at('opaque'), { recursive: true })
    await mkdir(at('opaque'))
    await writeFile(at('opaque/new'), 'new')
    await writeFile(at('etc/hosts'), 'changed')
    await link(at('opaque/new'), at('linked'))
    await chmod(path, 0o751)
  })
  return { base, id }
}

async function copyOf(kit: Kit, id: CacheID, parent?: CacheID): Promise<CacheID> {
  const copy = newCacheID()
  await kit.driver.createReadWrite(copy, { copyOf: id, ...(parent ? { parent } : {}) })
  return copy
}

const resets: DriverCase['when'] = (_capabilities, _around, driver) => driver.reset !== undefined

export const copies: readonly DriverCase[] = [
  {
    name: 'a copy has the files, the changes and the size of its original',
    run: async (kit) => {
      const { base, id } = await changed(kit)
      const copy = await copyOf(kit, id, base)
      assert.deepEqual([...(await kit.shown(copy))], [...(await kit.shown(id))])
      assert.deepEqual([...(await kit.told(copy))], [...(await kit.told(id))])
      assert.deepEqual(await kit.changes(copy, base), await kit.changes(id, base))
      assert.equal(await kit.driver.diffSize(copy, base), await kit.driver.diffSize(id, base))
    },
  },
  {
    name: 'a copy and its original do not see each other',
    run: async (kit) => {
      const { base, id } = await changed(kit)
      const copy = await copyOf(kit, id, base)
      const before = await kit.texts(id)
      await kit.mounted(copy, async (path) => {
        await writeFile(join(path, 'd/x'), 'mine')
        await writeFile(join(path, 'gone'), 'back')
        await rm(join(path, 'kept'))
      })
      assert.deepEqual(await kit.texts(id), before)
      await kit.mounted(id, (path) => rm(join(path, 'opaque'), { recursive: true }))
      await kit.driver.remove(id)
      const { kept: _, ...rest } = before
      assert.deepEqual(await kit.texts(copy), { ...rest, 'd/x': 'mine', gone: 'back' })
    },
  },
  {
    name: 'a layer is copied while it is mounted',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const id = await kit.readWrite(base)
      await kit.mounted(id, async (path) => {
        await writeFile(join(path, 'new'), 'new')
        await rm(join(path, 'gone'))
        const copy = await copyOf(kit, id, base)
        assert.deepEqual(await kit.changes(copy, base), ['D /gone', 'A /new'])
      })
    },
  },
  {
    name: 'a copy may stand on a copy of what its original stands on',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const init = await kit.readWrite(base)
      await kit.mounted(init, (path) => writeFile(join(path, 'console'), ''))
      const id = await kit.readWrite(init)
      await kit.mounted(id, async (path) => {
        await writeFile(join(path, 'own'), 'own')
        await rm(join(path, 'console'))
      })
      const copiedInit = await copyOf(kit, init, base)
      const copy = await copyOf(kit, id, copiedInit)
      await kit.driver.remove(id)
      await kit.driver.remove(init)
      assert.deepEqual(await kit.changes(copy, copiedInit), ['D /console', 'A /own'])
      assert.deepEqual(await kit.changes(copiedInit, base), ['A /console'])
    },
  },
  {
    name: 'what is not there cannot be copied, and nothing is left',
    run: async (kit) => {
      await failsWith('ERR_LAYER_NOT_FOUND', () => copyOf(kit, newCacheID()))
      await kit.isEmpty()
    },
  },
  {
    name: 'a layer that is reset is as new, and can be changed again',
    when: resets,
    run: async (kit) => {
      const { base, id } = await changed(kit)
      const fresh = await kit.readWrite(base)
      await kit.driver.reset?.(id, base)
      assert.deepEqual(await kit.changes(id, base), [])
      assert.equal(await kit.driver.diffSize(id, base), 0)
      assert.deepEqual([...(await kit.told(id))], [...(await kit.told(fresh))])
      await kit.mounted(id, (path) => writeFile(join(path, 'again'), 'again'))
      assert.deepEqual(await kit.changes(id, base), ['A /again'])
      assert.deepEqual(await kit.ids(), [base, id, fresh].sort())
    },
  },
  {
    name: 'a layer on nothing that is reset is empty',
    when: resets,
    run: async (kit) => {
      const id = await kit.readWrite()
      await kit.mounted(id, (path) => writeFile(join(path, 'f'), 'f'))
      await kit.driver.reset?.(id, undefined)
      assert.deepEqual(await kit.changes(id), [])
    },
  },
  {
    name: 'a layer is not reset while it is mounted, and loses nothing',
    when: resets,
    run: async (kit) => {
      const { base, id } = await changed(kit)
      const before = await kit.texts(id)
      await kit.mounted(id, () => failsWith('ERR_MOUNT_IN_USE', () => kit.driver.reset?.(id, base)))
      if (kit.driver.unmount) {
        await (await kit.driver.mount(id, { keep: true }))[Symbol.asyncDispose]()
        await failsWith('ERR_MOUNT_IN_USE', () => kit.driver.reset?.(id, base))
        await kit.driver.unmount(id)
      }
      assert.deepEqual(await kit.texts(id), before)
      await failsWith('ERR_LAYER_NOT_FOUND', () => kit.driver.reset?.(newCacheID(), base))
    },
  },
]
