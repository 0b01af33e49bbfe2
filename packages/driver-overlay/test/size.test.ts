import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { type CacheID, type Driver, LayerError, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { parseSize } from '../src/options/size.ts'
import { quotaPlace, whyNoQuota } from './loop.ts'
import { canMount, mountsIn, place } from './place.ts'

const MB = 2 ** 20

test('sizes are read as Docker reads them', () => {
  const sizes = { '0': 0, '4096': 4096, '32b': 32, '10G': 10 * 2 ** 30, '512m': 512 * MB }
  for (const [text, size] of Object.entries(sizes)) expect(parseSize(text)).toBe(size)
  const others = { '1.5 GiB': 1.5 * 2 ** 30, '2kB': 2048, '3TB': 3 * 2 ** 40, ' 1k ': 1024 }
  for (const [text, size] of Object.entries(others)) expect(parseSize(text)).toBe(size)
  for (const text of ['', 'G', '-1', '1x', '10 ib', '1e3', '0x10', '99999999P', '1..5', '1,5G']) {
    expect(() => parseSize(text)).toThrow(/it is no size/)
  }
})

const codeOf = async (made: Promise<unknown> | undefined) =>
  await made?.then(
    () => undefined,
    (error: unknown) => (LayerError.is(error) ? error.code : error),
  )

test.skipIf(!canMount)(
  'a size is refused where there is no project quota, and nothing left (needs root)',
  async () => {
    await using dir = place()
    await using driver = await overlay({ root: dir.path })
    const make = (storageOptions: Record<string, string>) =>
      codeOf(driver.createReadWrite(newCacheID(), { storageOptions }))
    expect(await make({ size: '1g' })).toBe('ERR_NOT_SUPPORTED')
    expect(await make({ size: 'much' })).toBe('ERR_INVALID_ARGUMENT')
    expect(await make({ volatile: 'yes' })).toBe('ERR_INVALID_ARGUMENT')
    expect(await make({ nosuch: '1' })).toBe('ERR_NOT_SUPPORTED')
    expect(await Array.fromAsync(driver.list())).toEqual([])
    expect((await driver.status())['Supports size']).toMatch(/no project quota/)
    expect(await make({ Size: '0' })).toBe(undefined)
    expect(fs.readdirSync(dir.path)).not.toContain('backingFsBlockDev')
  },
)

/** Writes to a layer through a mount; gives the error. */
async function write(driver: Driver, id: CacheID, name: string, size: number): Promise<unknown> {
  await using mount = await driver.mount(id)
  const fd = fs.openSync(join(mount.path, name), 'w')
  try {
    fs.writeFileSync(fd, Buffer.alloc(size, 'x'))
    // Not all that was written may have been given its place yet.
    fs.fsyncSync(fd)
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno
  } finally {
    fs.closeSync(fd)
  }
}

/** Linux's ENOSPC and EDQUOT, as Node numbers them. */
const FULL = [-28, -122]

/** The project of a directory, as the tool of e2fsprogs tells it. */
function projectOf(path: string): number {
  return Number(execFileSync('lsattr', ['-pd', path], { encoding: 'utf8' }).trim().split(/\s+/)[0])
}

for (const kind of ['ext4', 'xfs'] as const) {
  const why = await whyNoQuota(kind)
  // By scripts/test-quota.sh, which brings the kernel for it.
  test.runIf(process.env.VARVE_QUOTA)(`there is project quota on ${kind}`, () => {
    expect(why).toBe(undefined)
  })
  describe.skipIf(why)(`sizes on ${kind} (${why ?? 'with project quota'})`, () => {
    async function bed() {
      const dir = quotaPlace(kind)
      const root = join(dir.path, 'overlay2')
      const driver = await overlay({ root })
      const base = newCacheID()
      await driver.create(base)
      await using _applied = await driver.applyDiff(base, undefined, [
        tarOf([{ name: 'f', data: 'x'.repeat(MB) }]),
      ])
      return {
        root,
        driver,
        base,
        async limited(size: string, copyOf?: CacheID) {
          const id = newCacheID()
          const storageOptions = size === '' ? {} : { size }
          await driver.createReadWrite(id, {
            parent: base,
            storageOptions,
            ...(copyOf ? { copyOf } : {}),
          })
          return id
        },
        async [Symbol.asyncDispose]() {
          await driver[Symbol.asyncDispose]()
          await dir[Symbol.asyncDispose]()
        },
      }
    }

    test('a layer takes so much and no more, whoever writes, and others are not concerned', async () => {
      await using at = await bed()
      expect((await at.driver.status())['Supports size']).toBe('true')
      const [small, other, free] = [
        await at.limited('4m'),
        await at.limited('16m'),
        await at.limited(''),
      ]
      expect(await write(at.driver, small, 'a', 2 * MB)).toBe(undefined)
      expect(FULL).toContain(await write(at.driver, small, 'b', 8 * MB))
      expect(await write(at.driver, other, 'a', 8 * MB)).toBe(undefined)
      expect(await write(at.driver, free, 'a', 24 * MB)).toBe(undefined)
      const tar = tarOf([{ name: 'big', data: 'x'.repeat(8 * MB) }])
      const unlucky = await at.limited('4m')
      const applied = codeOf(at.driver.applyDiff(unlucky, at.base, [tar]))
      expect(await applied).toBe('ERR_NO_SPACE')
      expect(mountsIn(at.root)).toEqual([])
    })

    test('each limited layer is a project of its own, its number above the highest', async () => {
      await using at = await bed()
      const ids = [await at.limited('4m'), await at.limited('4m')]
      expect(ids.map((id) => projectOf(join(at.root, id)))).toEqual([1, 2])
      expect(ids.map((id) => projectOf(join(at.root, id, 'diff')))).toEqual([1, 2])
      expect(projectOf(join(at.root, await at.limited('')))).toBe(0)
      expect(fs.statSync(join(at.root, 'backingFsBlockDev')).isBlockDevice()).toBe(true)
      // What somebody else limits is left alone.
      const theirs = join(at.root, '..', 'theirs')
      fs.mkdirSync(theirs)
      execFileSync('chattr', ['-p', '3', theirs])
      expect(projectOf(join(at.root, await at.limited('4m')))).toBe(4)
      for (const id of ids) await at.driver.remove(id)
      expect(projectOf(join(at.root, await at.limited('4m')))).toBe(5)
    })

    test('reset and copies keep the limit, and a copy may be given another', async () => {
      await using at = await bed()
      const id = await at.limited('4m')
      expect(await write(at.driver, id, 'a', 3 * MB)).toBe(undefined)
      const copy = await at.limited('', id)
      expect(FULL).toContain(await write(at.driver, copy, 'b', 3 * MB))
      const wider = await at.limited('16m', id)
      expect(await write(at.driver, wider, 'b', 8 * MB)).toBe(undefined)
      await at.driver.reset?.(id, at.base)
      expect(await write(at.driver, id, 'b', 3 * MB)).toBe(undefined)
      expect(FULL).toContain(await write(at.driver, id, 'c', 3 * MB))
    })

    test('layers come and go in a home that is in a project itself', async () => {
      await using at = await bed()
      execFileSync('chattr', ['-p', '7', at.root])
      execFileSync('chattr', ['+P', at.root])
      const id = await at.limited('4m')
      expect(projectOf(join(at.root, id))).toBe(8)
      expect(FULL).toContain(await write(at.driver, id, 'a', 8 * MB))
      await at.driver.reset?.(id, at.base)
      await at.driver.remove(id)
      expect(await Array.fromAsync(at.driver.list())).toEqual([at.base])
      expect(await at.driver.cleanup()).toEqual([])
    })
  })
}
