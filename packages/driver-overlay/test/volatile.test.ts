import fs from 'node:fs'
import { join } from 'node:path'
import { type CacheID, LayerError, newCacheID } from '@varve/core'
import { MOUNT_METHODS, type OverlayOptions, overlay } from '@varve/driver-overlay'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { canMount, mountsIn, place } from './place.ts'
import { answer, kill, start } from './runtime.ts'

/** A driver with a volatile layer on a base. */
async function bed(options: Partial<OverlayOptions> = {}) {
  const dir = place()
  const { path: root } = dir
  const driver = await overlay({ root, ...options })
  const base = newCacheID()
  await driver.create(base)
  await using _applied = await driver.applyDiff(base, undefined, [tarOf([{ name: 'f' }])])
  const make = async (storageOptions: Record<string, string>, copyOf?: CacheID) => {
    const id = newCacheID()
    const copy = copyOf === undefined ? {} : { copyOf }
    await driver.createReadWrite(id, { parent: base, storageOptions, ...copy })
    return id
  }
  return {
    root,
    driver,
    base,
    make,
    top: await make({ volatile: 'true' }),
    mark: (id: CacheID) => fs.existsSync(join(root, id, 'work/work/incompat/volatile')),
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

/** Whether something is mounted so; newer kernels call it `fsync=volatile`. */
function isVolatile(path: string): boolean {
  const line = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const found = line.find((each) => each.split(' ')[4] === path)
  return /[,=]volatile(,|$)/.test(found ?? '')
}

const isLost = (error: unknown) => LayerError.is(error, 'ERR_CORRUPT_LAYER')

describe.skipIf(!canMount)('volatile layers (need root)', () => {
  test.for(MOUNT_METHODS.filter((method) => method !== 'fuse'))(
    'are mounted so by %s, again and again, and keep what they have',
    async (mountMethod) => {
      await using at = await bed({ mountMethod })
      for (const name of ['one', 'two', 'three']) {
        await using mount = await at.driver.mount(at.top)
        expect(isVolatile(mount.path)).toBe(true)
        await using view = await at.driver.mount(at.top, { readOnly: true })
        fs.writeFileSync(join(mount.path, name), name)
        expect(fs.readFileSync(join(view.path, name), 'utf8')).toBe(name)
      }
      expect(at.mark(at.top)).toBe(true)
      const changes = await Array.fromAsync(at.driver.changes(at.top, at.base))
      expect(changes.map(({ path }) => path)).toEqual(['/one', '/three', '/two'])
    },
  )

  test('others are not, and copies are as their original unless told', async () => {
    await using at = await bed()
    const wanted: [CacheID, boolean][] = [
      [at.top, true],
      [await at.make({}), false],
      [await at.make({ volatile: 'false' }), false],
      [await at.make({}, at.top), true],
      [await at.make({ volatile: 'false' }, at.top), false],
    ]
    for (const [id, volatile] of wanted) {
      await using mount = await at.driver.mount(id)
      expect(isVolatile(mount.path)).toBe(volatile)
    }
  })

  test('a killed process takes nothing from them', async () => {
    await using at = await bed()
    const child = start('work', at.root, 'mount', at.top)
    await answer(child)
    await kill(child)
    await using driver = await overlay({ root: at.root })
    expect([mountsIn(at.root), at.mark(at.top)]).toEqual([[], true])
    await using mount = await driver.mount(at.top)
    expect(fs.readFileSync(join(mount.path, 'mount'), 'utf8')).toBe('mount')
  })

  test('a restart of the machine makes them unusable until they are reset', async () => {
    await using at = await bed()
    await (await at.driver.mount(at.top))[Symbol.asyncDispose]()
    const file = join(at.root, at.top, 'volatile')
    expect(fs.readFileSync(file, 'latin1')).toMatch(/^[0-9a-f-]{36}$/)
    fs.writeFileSync(file, 'another-boot')
    const { driver, top, base } = at
    const uses = [
      () => driver.mount(top),
      () => driver.mount(top, { readOnly: true }),
      () => Array.fromAsync(driver.changes(top, base)),
      () => Array.fromAsync(driver.diff(top, base) as AsyncIterable<Uint8Array>),
      () => driver.diffSize(top, base),
      () => driver.applyDiff(top, base, [tarOf([])]),
      () => at.make({}, top),
    ]
    for (const use of uses) await expect(use()).rejects.toSatisfy(isLost)
    expect(mountsIn(at.root)).toEqual([])
    await driver.reset?.(top, base)
    await using mount = await driver.mount(top)
    expect(isVolatile(mount.path)).toBe(true)
    expect(fs.readdirSync(mount.path)).toEqual(['f'])
  })
})
