/** Read-write layers: their disks are copied, and made anew. */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type CacheID, newCacheID } from '@varve/core'
import { describe, expect, test } from 'vitest'
import { allOf } from '../../testkit/src/expect.ts'
import { BASE, type Bed, bed, bytesOf, layer, sandbox, UPPER } from './beds.ts'

async function changed(one: Bed): Promise<{ readonly base: CacheID; readonly id: CacheID }> {
  const base = await layer(one.driver, BASE)
  const id = await sandbox(one.driver, base)
  await using mount = await one.driver.mount(id)
  writeFileSync(join(mount.path, 'd/new'), 'new')
  symlinkSync('d/new', join(mount.path, 'link'))
  unlinkSync(join(mount.path, 'a.txt'))
  return { base, id }
}

async function changes(one: Bed, id: CacheID, parent: CacheID): Promise<string[]> {
  const all = await allOf(one.driver.changes(id, parent))
  return all.map(({ kind, path }) => `${kind} ${path}`)
}

async function copied(
  one: Bed,
  copyOf: CacheID,
  parent: CacheID,
  storageOptions: Record<string, string> = {},
): Promise<CacheID> {
  const id = newCacheID()
  await one.driver.createReadWrite(id, { parent, copyOf, storageOptions })
  return id
}

const CHANGES = ['delete /Files/a.txt', 'modify /Files/d', 'add /Files/d/new', 'add /Files/link']

const diskOf = (one: Bed, id: CacheID): { size: string; fileSystem: string } =>
  JSON.parse(readFileSync(join(one.root, id, 'sandbox.vhdx'), 'utf8'))

describe('a copy of a read-write layer', () => {
  test('has its changes, and both go their own ways', async () => {
    await using one = await bed()
    const { base, id } = await changed(one)
    const copy = await copied(one, id, base)
    expect(await changes(one, copy, base)).toEqual(CHANGES)
    expect(await one.driver.diffSize(copy, base)).toBe(3)
    {
      await using mount = await one.driver.mount(copy)
      expect(readFileSync(join(mount.path, 'link'), 'utf8')).toBe('new')
      writeFileSync(join(mount.path, 'mine'), 'mine')
      unlinkSync(join(mount.path, 'link'))
    }
    expect(await changes(one, id, base)).toEqual(CHANGES)
    await one.driver.remove(id)
    expect(await changes(one, copy, base)).toEqual([...CHANGES.slice(0, 3), 'add /Files/mine'])
    const committed = await layer(one.driver, await bytesOf(one.driver.diff(copy, base)), base)
    expect(await changes(one, committed, base)).toEqual(await changes(one, copy, base))
  })

  test('of one that was never mounted has no changes', async () => {
    await using one = await bed()
    const base = await layer(one.driver, BASE)
    const copy = await copied(one, await sandbox(one.driver, base), base)
    expect(await changes(one, copy, base)).toEqual([])
  })

  test('has its size, or a larger one', async () => {
    await using one = await bed()
    const base = await layer(one.driver, BASE)
    const id = newCacheID()
    await one.driver.createReadWrite(id, { parent: base, storageOptions: { size: '30G' } })
    const size = String(30 * 2 ** 30)
    const copy = await copied(one, id, base)
    expect(diskOf(one, copy)).toMatchObject({ size, fileSystem: size })
    const larger = String(40 * 2 ** 30)
    const grown = await copied(one, id, base, { size: '40G' })
    expect(diskOf(one, grown)).toMatchObject({ size: larger, fileSystem: larger })
    await one.driver.reset(copy, base)
    expect(diskOf(one, copy)).toMatchObject({ size, fileSystem: size })
  })

  test('is not made of what is in use, read-only, on other layers, or not there', async () => {
    await using one = await bed()
    const { base, id } = await changed(one)
    const top = await layer(one.driver, UPPER, base)
    {
      await using _mount = await one.driver.mount(id)
      await expect(copied(one, id, base)).rejects.toMatchObject({ code: 'ERR_MOUNT_IN_USE' })
    }
    await expect(copied(one, top, base)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    await expect(copied(one, id, top)).rejects.toMatchObject({ code: 'ERR_NOT_SUPPORTED' })
    const none = copied(one, newCacheID(), base)
    await expect(none).rejects.toMatchObject({ code: 'ERR_LAYER_NOT_FOUND' })
    expect((await allOf(one.driver.list())).sort()).toEqual([base, id, top].sort())
  })

  test('and a disk that somebody else has say that it is in use', async () => {
    await using one = await bed()
    const { base, id } = await changed(one)
    await using _attached = await one.disks.attach(join(one.root, id, 'sandbox.vhdx'))
    await expect(copied(one, id, base)).rejects.toMatchObject({ code: 'ERR_MOUNT_IN_USE' })
  })
})

describe('a read-write layer that is reset', () => {
  test('is as new, and can be changed again', async () => {
    await using one = await bed()
    const { base, id } = await changed(one)
    await one.driver.reset(id, base)
    expect(await changes(one, id, base)).toEqual([])
    {
      await using mount = await one.driver.mount(id)
      expect(readdirSync(mount.path).sort()).toEqual(['a.txt', 'd'])
      writeFileSync(join(mount.path, 'again'), 'again')
    }
    expect(await changes(one, id, base)).toEqual(['add /Files/again'])
  })

  test('is at rest and read-write', async () => {
    await using one = await bed()
    const { base, id } = await changed(one)
    {
      await using _mount = await one.driver.mount(id)
      const reset = one.driver.reset(id, base)
      await expect(reset).rejects.toMatchObject({ code: 'ERR_MOUNT_IN_USE' })
    }
    expect(await changes(one, id, base)).toEqual(CHANGES)
    const readOnly = one.driver.reset(base, undefined)
    await expect(readOnly).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    const none = one.driver.reset(newCacheID(), base)
    await expect(none).rejects.toMatchObject({ code: 'ERR_LAYER_NOT_FOUND' })
  })

  test('in a process that was killed keeps all; what is left goes with the next call', async () => {
    await using one = await bed()
    const { base, id } = await changed(one)
    const left = join(one.root, `${id}-resetting`)
    const leave = () => {
      mkdirSync(left)
      writeFileSync(join(left, 'sandbox.vhdx'), 'half')
    }
    leave()
    expect(await allOf(one.driver.list())).not.toContain(`${id}-resetting`)
    expect(await changes(one, id, base)).toEqual(CHANGES)
    expect(await one.driver.cleanup()).toEqual([`layer ${id}, half reset`])
    leave()
    await one.driver.reset(id, base)
    expect(readdirSync(one.root)).not.toContain(`${id}-resetting`)
    leave()
    await one.driver.remove(id)
    expect(readdirSync(one.root).filter((name) => name.startsWith(id))).toEqual([])
  })
})
