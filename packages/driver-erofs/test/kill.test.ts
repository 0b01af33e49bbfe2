import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, type Driver, newCacheID } from '@varve/core'
import { erofs } from '@varve/driver-erofs'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { canMount, mountsIn, place } from './place.ts'
import { start } from './runtime.ts'

/** A base layer with a file, and a read-write layer on it. */
async function bed() {
  const dir = place()
  const root = join(dir.path, 'erofs')
  const [base, top] = [newCacheID(), newCacheID()]
  await using driver = await erofs({ root })
  await driver.create(base)
  await using _applied = await driver.applyDiff(base, undefined, [
    tarOf([{ name: 'f', data: 'f' }]),
  ])
  await driver.createReadWrite(top, { parent: base })
  return { root, base, top, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() }
}

/** Runs a child until it is in the middle of its work, and kills it there. */
async function killed(what: string, root: string, id: CacheID, before = async () => {}) {
  const child = start('work', what, root, id)
  try {
    const [data] = await Promise.race([
      once(child.stdout ?? child, 'data'),
      once(child, 'exit').then(() => ['it ended']),
    ])
    expect(String(data)).toBe('begun\n')
    await before()
  } finally {
    if (child.exitCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
}

const textIn = async (driver: Driver, id: CacheID) => {
  await using mount = await driver.mount(id)
  return await readFile(join(mount.path, 'f'), 'utf8')
}

describe.skipIf(!canMount)('processes that are killed (needs root)', () => {
  test('what one leaves mounted, overlay and image, is unmounted by the next', async () => {
    await using home = await bed()
    await killed('mount', home.root, home.top)
    expect(mountsIn(home.root)).toHaveLength(2)
    await using driver = await erofs({ root: home.root })
    expect(mountsIn(home.root)).toEqual([])
    expect(await textIn(driver, home.top)).toBe('f')
    for (const id of [home.top, home.base]) await driver.remove(id)
    expect(await Array.fromAsync(driver.list())).toEqual([])
  })

  test('what another process has mounted is shared, and stays while one of them uses it', async () => {
    await using home = await bed()
    const driver = await erofs({ root: home.root })
    const mount = await driver.mount(home.top)
    await killed('mount', home.root, home.top, async () => {
      await mount[Symbol.asyncDispose]()
      expect(mountsIn(home.root)).toHaveLength(2)
    })
    expect(await textIn(driver, home.top)).toBe('f')
    await driver[Symbol.asyncDispose]()
    await using _next = await erofs({ root: home.root })
    expect(mountsIn(home.root)).toEqual([])
  })

  test('a layer that was being written is no image, can be removed, and can be written again', async () => {
    await using home = await bed()
    const id = newCacheID()
    await using driver = await erofs({ root: home.root })
    await driver.create(id)
    await killed('apply', home.root, id)
    expect(readdirSync(join(home.root, id))).not.toContain('layer.erofs')
    expect(await driver.exists(id)).toBe(true)
    await using _applied = await driver.applyDiff(id, undefined, [
      tarOf([{ name: 'f', data: 'again' }]),
    ])
    expect(await textIn(driver, id)).toBe('again')
    await driver.remove(id)
    expect(readdirSync(join(home.root, 'removing'))).toEqual([])
  })
})
