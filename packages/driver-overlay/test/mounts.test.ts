import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { join } from 'node:path'
import { type CacheID, LayerError, newCacheID } from '@varve/core'
import { type MountMethod, type OverlayOptions, overlay } from '@varve/driver-overlay'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { canMount, methods, mountsIn, place } from './place.ts'
import { answer, kill, run, start } from './runtime.ts'

/** A driver with a read-write layer on a base. */
async function bed(options: Partial<OverlayOptions> = {}) {
  const dir = place()
  const driver = await overlay({ root: dir.path, ...options })
  const [base, top] = [newCacheID(), newCacheID()]
  await driver.create(base)
  await using _applied = await driver.applyDiff(base, undefined, [
    tarOf([{ name: 'f', data: 'f' }]),
  ])
  await driver.createReadWrite(top, { parent: base })
  return {
    root: dir.path,
    driver,
    base,
    top,
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

describe.skipIf(!canMount)('mounts (need root)', () => {
  for (const mountMethod of methods) {
    test(`128 layers are mounted by ${mountMethod}, however long the path of the root is`, async () => {
      await using dir = place()
      const root = join(dir.path, ...Array.from({ length: 12 }, () => 'r'.repeat(250)))
      await using driver = await overlay({ root, mountMethod })
      let top: CacheID | undefined
      for (let i = 0; i < 128; i++) {
        const id = newCacheID()
        if (i === 127) await driver.createReadWrite(id, top ? { parent: top } : {})
        else await driver.create(id, top ? { parent: top } : {})
        fs.writeFileSync(join(root, id, 'diff', String(i)), '')
        top = id
      }
      {
        await using mount = await driver.mount(top as CacheID)
        fs.writeFileSync(join(mount.path, 'mine'), 'mine')
        expect(fs.readdirSync(mount.path).length).toBe(129)
      }
      expect(fs.readFileSync(join(root, top as CacheID, 'diff/mine'), 'utf8')).toBe('mine')
      expect(mountsIn(dir.path)).toEqual([])
      expect((await Array.fromAsync(driver.changes(top as CacheID))).length).toBe(129)
    })
  }

  test('the process stays in its directory', async () => {
    const before = process.cwd()
    await using at = await bed()
    await using _mount = await at.driver.mount(at.top)
    expect(process.cwd()).toBe(before)
  })

  const ways = methods.flatMap((method) => [true, false].map((first) => [method, first]))
  test('a writable and a read-only mount of one layer show the same, in any order', async () => {
    for (const [mountMethod, first] of ways as [MountMethod, boolean][]) {
      await using at = await bed({ mountMethod })
      await using one = await at.driver.mount(at.top, { readOnly: first })
      await using two = await at.driver.mount(at.top, { readOnly: !first })
      const [readOnly, writable] = first ? [one, two] : [two, one]
      expect([readOnly.readOnly, writable.readOnly]).toEqual([true, false])
      fs.writeFileSync(join(writable.path, 'new'), 'new')
      expect(fs.readFileSync(join(readOnly.path, 'new'), 'utf8')).toBe('new')
      expect(() => fs.writeFileSync(join(readOnly.path, 'no'), '')).toThrow(/EROFS/)
    }
  })

  test('a layer that another one stands on is mounted read-only, whatever is asked', async () => {
    await using at = await bed()
    await at.driver.createReadWrite(newCacheID(), { parent: at.top })
    await using mount = await at.driver.mount(at.top)
    expect(mount.readOnly).toBe(true)
    expect(() => fs.writeFileSync(join(mount.path, 'no'), '')).toThrow(/EROFS/)
    const applied = at.driver.applyDiff(at.top, at.base, [tarOf([])])
    await expect(applied).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_LAYER_IN_USE'))
  })

  test('a mounted layer is not removed, and one with something mounted in it neither', async () => {
    await using at = await bed()
    {
      await using _mount = await at.driver.mount(at.top)
      const removed = at.driver.remove(at.top)
      await expect(removed).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_MOUNT_IN_USE'))
      expect(await at.driver.exists(at.top)).toBe(true)
    }
    const point = join(at.root, at.base, 'diff', 'a b')
    fs.mkdirSync(point)
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', point])
    const removed = at.driver.remove(at.base)
    await expect(removed).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_MOUNT_IN_USE'))
    execFileSync('umount', [point])
    await at.driver.remove(at.base)
  })

  test('what was not unmounted is unmounted with the driver', async () => {
    await using at = await bed()
    const mount = await at.driver.mount(at.top)
    await at.driver.mount(at.base, { readOnly: true })
    expect(mountsIn(at.root).length).toBe(2)
    await at.driver[Symbol.asyncDispose]()
    expect(mountsIn(at.root)).toEqual([])
    expect(fs.existsSync(mount.path)).toBe(false)
    await mount[Symbol.asyncDispose]()
  })

  test('a mount is counted among processes: the last one unmounts', async () => {
    await using at = await bed()
    const child = start('work', at.root, 'mount', at.top)
    expect(await answer(child)).toBe(join(at.root, at.top, 'merged'))
    {
      await using mount = await at.driver.mount(at.top)
      expect(fs.readFileSync(join(mount.path, 'mount'), 'utf8')).toBe('mount')
    }
    expect(mountsIn(at.root).length).toBe(1)
    expect(await at.driver.cleanup()).toEqual([])
    const removed = at.driver.remove(at.top)
    await expect(removed).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_MOUNT_IN_USE'))
    const ended = once(child, 'exit')
    child.stdin?.write('enough\n')
    await ended
    expect(mountsIn(at.root)).toEqual([])
  })

  test('processes that mount and unmount at once get into nobody’s way', async () => {
    await using at = await bed()
    const children = Array.from({ length: 4 }, () => start('work', at.root, 'many', at.top))
    const answers = await Promise.all(children.map(answer))
    expect(answers).toEqual(['done', 'done', 'done', 'done'])
    await Promise.all(children.map((child) => child.exitCode ?? once(child, 'exit')))
    expect(mountsIn(at.root)).toEqual([])
    expect(fs.readdirSync(join(at.root, at.top, 'diff')).length).toBe(240)
  })

  for (const how of ['exit', 'throw'] as const) {
    test(`nothing stays mounted when a process ends by ${how}`, async () => {
      await using at = await bed()
      expect(run([at.root, how, at.top])).toBe(how === 'exit' ? 3 : 1)
      expect(fs.readFileSync(join(at.root, at.top, 'diff', how), 'utf8')).toBe(how)
      expect(mountsIn(at.root)).toEqual([])
    })
  }

  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    test(`nothing stays mounted when a process is ended by ${signal}`, async () => {
      await using at = await bed()
      const child = start('work', at.root, 'mount', at.top)
      const ended = once(child, 'exit')
      expect(await answer(child)).toBe(join(at.root, at.top, 'merged'))
      child.kill(signal)
      expect(await ended).toEqual([null, signal])
      expect(mountsIn(at.root)).toEqual([])
    })
  }

  test('a kept mount outlives processes and the sweep at the next open, until it is unmounted', async () => {
    await using at = await bed()
    const merged = join(at.root, at.top, 'merged')
    expect([run([at.root, 'keep', at.top]), run([at.root, 'keep', at.top])]).toEqual([0, 0])
    expect(mountsIn(at.root)).toEqual([merged])
    await using driver = await overlay({ root: at.root })
    expect(await driver.kept?.(at.top)).toEqual([{ path: merged, readOnly: false, count: 2 }])
    {
      await using mount = await driver.mount(at.top)
      fs.writeFileSync(join(mount.path, 'mine'), 'mine')
    }
    expect(await driver.cleanup()).toEqual([])
    expect(await driver.unmount?.(at.top)).toBe(1)
    expect(mountsIn(at.root)).toEqual([merged])
    expect(run([at.root, 'unmount', at.top])).toBe(0)
    expect(mountsIn(at.root)).toEqual([])
    expect(fs.readdirSync(join(at.root, at.top, 'diff'))).toEqual(['mine'])
    expect(fs.readdirSync(join(at.root, at.top)).filter((name) => /kept/.test(name))).toEqual([])
  })

  test('a kept mount of before a restart, or that somebody else unmounted, is none', async () => {
    await using at = await bed()
    const [path, file] = ['merged', 'merged.kept'].map((name) => join(at.root, at.top, name))
    const keep = async () => (await at.driver.mount(at.top, { keep: true }))[Symbol.asyncDispose]()
    const gone = async () => {
      expect(await at.driver.kept?.(at.top)).toEqual([])
      const unmounted = at.driver.unmount?.(at.top)
      await expect(unmounted).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_MOUNT_NOT_FOUND'))
    }
    await keep()
    execFileSync('umount', [path as string])
    await gone()
    {
      await using _mount = await at.driver.mount(at.top)
      await gone()
    }
    expect(mountsIn(at.root)).toEqual([])
    await keep()
    const text = fs.readFileSync(file as string, 'utf8')
    for (const damaged of [text.replace(/^[^ ]+/, 'another-boot'), '', `${text}x`]) {
      fs.writeFileSync(file as string, damaged)
      await gone()
    }
    await at.driver.remove(at.top)
    expect(mountsIn(at.root)).toEqual([])
  })

  test('what a killed process left mounted is found at the next open, or used', async () => {
    await using at = await bed()
    const leave = async () => {
      const child = start('work', at.root, 'mount', at.top)
      await answer(child)
      await kill(child)
      expect(mountsIn(at.root).length).toBe(1)
    }
    await leave()
    {
      await using _next = await overlay({ root: at.root })
      expect(mountsIn(at.root)).toEqual([])
    }
    await leave()
    expect(await at.driver.cleanup()).toEqual([`stale mount of layer ${at.top}`])
    await leave()
    {
      await using mount = await at.driver.mount(at.top)
      expect(fs.readFileSync(join(mount.path, 'mount'), 'utf8')).toBe('mount')
    }
    expect(mountsIn(at.root)).toEqual([])
    await leave()
    await at.driver.remove(at.top)
    expect(mountsIn(at.root)).toEqual([])
  })
})
