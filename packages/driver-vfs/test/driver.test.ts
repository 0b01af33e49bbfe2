import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { type CacheID, LayerError, newCacheID } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { makeOddTree } from '../../trees/test/odd-tree.ts'
import { digestOfTree, isLinux, isRoot, nativeCalls, place } from '../../trees/test/place.ts'
import { command, runAsNobody } from './runtime.ts'

const modeOf = (path: string) => fs.lstatSync(path).mode & 0o7777

describe('the home', () => {
  test.skipIf(process.platform === 'win32')(
    'is laid out as Docker’s and closed to others, whatever the umask',
    async () => {
      await using dir = place()
      const home = join(dir.path, 'vfs')
      // In a process of its own, because threads share the umask and may not set it.
      const id = newCacheID()
      execFileSync('sh', ['-c', `umask 0; exec "$@"`, 'sh', ...command('work', home, 'create', id)])
      const own = isRoot ? 0o710 : 0o700
      expect(modeOf(home)).toBe(own)
      expect(modeOf(join(home, 'dir'))).toBe(own)
      expect(modeOf(join(home, 'dir', id))).toBe(0o755)
      expect(fs.readdirSync(join(home, 'dir'))).toEqual([id])
    },
  )

  test.skipIf(process.platform === 'win32')(
    'that others could enter is closed to them',
    async () => {
      await using dir = place()
      fs.mkdirSync(join(dir.path, 'dir'))
      fs.chmodSync(join(dir.path, 'dir'), 0o777)
      await using _driver = await vfs({ root: dir.path })
      expect(modeOf(join(dir.path, 'dir')) & 0o007).toBe(0)
    },
  )

  test('what is no layer is not listed, and not removed', async () => {
    await using dir = place()
    await using driver = await vfs({ root: dir.path })
    const id = newCacheID()
    await driver.create(id)
    fs.writeFileSync(join(dir.path, 'dir', 'README'), 'mine')
    const listed: string[] = []
    for await (const layer of driver.list()) listed.push(layer)
    expect(listed).toEqual([id])
    await driver.cleanup()
    expect(fs.readdirSync(join(dir.path, 'dir')).sort()).toEqual([id, 'README'].sort())
  })
})

describe('layers', () => {
  const entries = [{ name: 'copied', data: 'content', mtime: 1_000_000_000 }]

  test('a file that was copied and is damaged in the copy is found', async () => {
    await using dir = place()
    await using driver = await vfs({ root: dir.path })
    const [parent, id, tar] = [newCacheID(), newCacheID(), [tarOf([{ name: 'own', data: '1' }])]]
    await driver.create(parent)
    await using _below = await driver.applyDiff(parent, undefined, [tarOf(entries)])
    await driver.create(id, { parent })
    await using _above = await driver.applyDiff(id, parent, tar)
    const found = () => Array.fromAsync(driver.verify?.(id, tar, { parent }) ?? [])
    expect(await found()).toEqual([])
    const copy = join(dir.path, 'dir', id, 'copied')
    fs.writeFileSync(copy, 'CONTENT')
    fs.utimesSync(copy, 1_000_000_000, 1_000_000_000)
    expect(await found()).toEqual(['"copied": its content is not that of the layer beneath'])
  })

  test('a storage option is refused, and no layer left', async () => {
    await using dir = place()
    await using driver = await vfs({ root: dir.path })
    const id = newCacheID()
    const made = driver.createReadWrite(id, { storageOptions: { size: '10G' } })
    const error = await made.then(
      () => undefined,
      (e) => e,
    )
    expect(LayerError.is(error, 'ERR_NOT_SUPPORTED')).toBe(true)
    expect(error.hint).toContain('storage options')
    expect(await driver.exists(id)).toBe(false)
  })

  test('an id that is none never becomes a path', async () => {
    await using dir = place()
    await using driver = await vfs({ root: join(dir.path, 'vfs') })
    fs.writeFileSync(join(dir.path, 'precious'), 'x')
    for (const id of ['..', '../..', '../../precious', '', 'a'.repeat(64).toUpperCase()]) {
      const bad = id as CacheID
      const calls = [driver.remove(bad), driver.exists(bad), driver.create(bad), driver.mount(bad)]
      const failures = calls.map((call) => call.then(String, (error: unknown) => error))
      for (const error of await Promise.all(failures)) {
        expect(LayerError.is(error, 'ERR_INVALID_ARGUMENT')).toBe(true)
      }
    }
    expect(fs.readdirSync(dir.path).sort()).toEqual(['precious', 'vfs'])
  })

  test.skipIf(!isLinux)(
    'a child begins as an exact copy, and changing it leaves its parent alone',
    async () => {
      await using dir = place()
      await using driver = await vfs({ root: dir.path })
      const [base, top] = [newCacheID(), newCacheID()]
      await driver.create(base)
      fs.rmdirSync(join(dir.path, 'dir', base))
      makeOddTree(join(dir.path, 'dir', base), nativeCalls(), isRoot)
      const before = digestOfTree(join(dir.path, 'dir', base))
      await driver.createReadWrite(top, { parent: base })
      expect(digestOfTree(join(dir.path, 'dir', top))).toBe(before)
      await using mount = await driver.mount(top)
      fs.writeFileSync(join(mount.path, 'plain'), 'changed')
      fs.appendFileSync(join(mount.path, 'large'), 'more')
      fs.chmodSync(join(mount.path, 'set-id'), 0o600)
      expect(digestOfTree(join(dir.path, 'dir', base))).toBe(before)
    },
  )

  test('an aborted copy leaves nothing', async () => {
    await using dir = place()
    await using driver = await vfs({ root: dir.path })
    const [base, top] = [newCacheID(), newCacheID()]
    await driver.create(base)
    for (let i = 0; i < 1000; i++) fs.writeFileSync(join(dir.path, 'dir', base, String(i)), '')
    const abort = new AbortController()
    abort.abort()
    const made = driver.create(top, { parent: base, signal: abort.signal })
    await expect(made).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_ABORTED'))
    expect(await driver.exists(top)).toBe(false)
    expect(await driver.cleanup()).toEqual([])
  })

  test.skipIf(!isRoot || !isLinux)(
    'a layer with something mounted in it is not removed, and loses nothing (needs root)',
    async () => {
      await using dir = place()
      await using other = place()
      await using driver = await vfs({ root: dir.path })
      const id = newCacheID()
      await driver.createReadWrite(id)
      await using mount = await driver.mount(id)
      const point = join(mount.path, 'a b')
      fs.mkdirSync(point)
      fs.writeFileSync(join(mount.path, 'mine'), 'x')
      fs.writeFileSync(join(other.path, 'precious'), 'x')
      execFileSync('mount', ['--bind', other.path, point])
      try {
        const error = await driver.remove(id).then(String, (e: unknown) => e)
        expect(LayerError.is(error, 'ERR_MOUNT_IN_USE')).toBe(true)
        expect(String(error)).toContain('a b is mounted')
        expect(fs.readdirSync(mount.path).sort()).toEqual(['a b', 'mine'])
        expect(fs.readdirSync(other.path)).toEqual(['precious'])
      } finally {
        execFileSync('umount', [point])
      }
      await driver.remove(id)
      expect(await driver.exists(id)).toBe(false)
    },
  )

  test('status tells the file system, and what is missing', async () => {
    await using dir = place()
    await using driver = await vfs({ root: dir.path })
    const status = await driver.status()
    expect(status['Backing Filesystem']).toMatch(/./)
    expect(status['Shared Blocks']).toMatch(/^(yes|no|unknown)$/)
    expect('Limits' in status).toBe(!isLinux)
  })
})

describe('files set aside', () => {
  test('are there until the result is disposed of', async () => {
    await using dir = place()
    await using driver = await vfs({ root: dir.path })
    const id = newCacheID()
    await driver.create(id)
    const twice = tarOf([
      { name: 'a', data: 'first' },
      { name: 'a', data: 'second' },
    ])
    const applied = await driver.applyDiff(id, undefined, [twice])
    expect(applied.displaced.length).toBe(1)
    expect(await driver.cleanup()).toEqual([])
    const [displaced] = applied.displaced
    let text = ''
    for await (const chunk of displaced?.open() ?? []) text += new TextDecoder().decode(chunk)
    expect(text).toBe('first')
    await applied[Symbol.asyncDispose]()
    expect(fs.readdirSync(join(dir.path, 'aside'))).toEqual([])
  })

  test('are gone with the driver', async () => {
    await using dir = place()
    const driver = await vfs({ root: dir.path })
    const id = newCacheID()
    await driver.create(id)
    await driver.applyDiff(id, undefined, [tarOf([{ name: 'a', data: 'a' }])])
    expect(fs.readdirSync(join(dir.path, 'aside')).length).toBe(1)
    await driver[Symbol.asyncDispose]()
    expect(fs.readdirSync(join(dir.path, 'aside'))).toEqual([])
  })
})

test.skipIf(!isRoot || !isLinux)(
  'an ordinary user has layers too, with what he may keep (needs root)',
  async () => {
    await using dir = place()
    fs.chownSync(dir.path, 65534, 65534)
    expect(JSON.parse(await runAsNobody('ordinary-user', join(dir.path, 'vfs')))).toEqual({
      keeps: { owner: false, xattrs: false, devices: false },
      home: [0o700, 0o700],
      size: 6,
      base: [0o555, 0, 0],
      top: [0o555, 0, 0],
      left: [],
    })
  },
)

test.skipIf(!isRoot || !isLinux)(
  'root keeps everything, where the file system does (needs root)',
  async () => {
    await using dir = place()
    await using driver = await vfs({ root: dir.path })
    expect(driver.capabilities.keeps).toEqual({ owner: true, xattrs: true, devices: true })
  },
)
