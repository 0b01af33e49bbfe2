import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { type CacheID, type Driver, newCacheID } from '@varve/core'
import { type MountMethod, overlay } from '@varve/driver-overlay'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { canFuse, mountsIn, place } from './place.ts'
import { answer, kill, start } from './runtime.ts'

test.runIf(process.env.CI)('fuse-overlayfs is tested where it must be', () => {
  expect(canFuse).toBe(true)
})

/** A read-write layer on two others. */
async function bed() {
  const dir = place()
  const open = (mountMethod?: MountMethod) =>
    overlay({ root: dir.path, ...(mountMethod ? { mountMethod } : {}) })
  const files = [
    [{ name: 'gone' }, { name: 'd/old' }, { name: 'd/deep/old' }, { name: 'kept', data: 'kept' }],
    [{ name: 'near' }, { name: 'type/f' }],
  ]
  let parent: CacheID | undefined
  {
    await using driver = await open('fuse')
    for (const layer of files) {
      const id = newCacheID()
      await driver.create(id, parent ? { parent } : {})
      await using _applied = await driver.applyDiff(id, parent, [tarOf(layer)])
      parent = id
    }
  }
  const below = parent as CacheID
  const top = newCacheID()
  return {
    root: dir.path,
    below,
    top,
    open,
    diff: (...path: string[]) => join(dir.path, top, 'diff', ...path),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  }
}

/** Everything that a whiteout, an opaque directory or a copy-up is made for. */
function edit(root: string): void {
  const at = (path: string) => join(root, path)
  fs.rmSync(at('gone'))
  fs.rmSync(at('d'), { recursive: true })
  fs.mkdirSync(at('d'))
  fs.writeFileSync(at('d/new'), 'new')
  fs.rmSync(at('type'), { recursive: true })
  fs.writeFileSync(at('type'), 'now a file')
  fs.appendFileSync(at('kept'), ', and changed')
}

async function changesOf(driver: Driver, id: CacheID, parent: CacheID): Promise<string[]> {
  const changes = await Array.fromAsync(driver.changes(id, parent))
  return changes.map(({ kind, path }) => `${kind} ${path}`)
}

async function namesOf(driver: Driver, id: CacheID, parent: CacheID): Promise<string[]> {
  const parts = await Array.fromAsync(driver.diff(id, parent) as AsyncIterable<Uint8Array>)
  const names = execFileSync('tar', ['-t'], { input: Buffer.concat(parts), encoding: 'utf8' })
  return names.trim().split('\n')
}

const CHANGES = [
  'modify /d',
  'delete /d/deep',
  'add /d/new',
  'delete /d/old',
  'delete /gone',
  'modify /kept',
  'modify /type',
]

/** Layers that fuse-overlayfs has mounted, by its processes. */
function processesOn(path: string): string[] {
  const all = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n')
  return all.filter((line) => line.includes('fuse-overlayfs') && line.includes(path))
}

async function untilGone(path: string): Promise<void> {
  while (processesOn(path).length > 0) await new Promise((next) => setTimeout(next, 10))
}

describe.skipIf(!canFuse)('by fuse-overlayfs (needs root, /dev/fuse and fuse-overlayfs)', () => {
  test('what it wrote is told rightly, while it is mounted and after', async () => {
    await using at = await bed()
    await using driver = await at.open('fuse')
    expect((await driver.status())['Mount Method']).toBe('fuse')
    await driver.createReadWrite(at.top, { parent: at.below })
    {
      await using mount = await driver.mount(at.top)
      edit(mount.path)
      expect(await changesOf(driver, at.top, at.below)).toEqual(CHANGES)
    }
    expect(await changesOf(driver, at.top, at.below)).toEqual(CHANGES)
    expect(mountsIn(at.root)).toEqual([])
    await untilGone(at.root)
  })

  test('the kernel and Docker read it: whiteouts are devices, opaque directories are marked', async () => {
    await using at = await bed()
    {
      await using driver = await at.open('fuse')
      await driver.createReadWrite(at.top, { parent: at.below })
      await using mount = await driver.mount(at.top)
      edit(mount.path)
    }
    // Its own mark of an opaque directory is a file, which the kernel would show.
    expect(fs.readdirSync(at.diff('d'))).toContain('.wh..wh..opq')
    await using kernel = await at.open('descriptors')
    {
      await using mount = await kernel.mount(at.top)
      expect(fs.readdirSync(mount.path).sort()).toEqual(['d', 'kept', 'near', 'type'])
      expect(fs.readdirSync(join(mount.path, 'd'))).toEqual(['new'])
      fs.writeFileSync(join(mount.path, 'd/more'), '')
    }
    expect(fs.readdirSync(at.diff('d')).sort()).toEqual(['more', 'new'])
    expect(fs.statSync(at.diff('gone')).isCharacterDevice()).toBe(true)
    const xattrs = execFileSync('getfattr', ['-Rd', '-m', 'user.fuseoverlayfs', at.diff()])
    expect(xattrs.toString()).toBe('')

    await using again = await at.open('fuse')
    await using mount = await again.mount(at.top)
    expect(fs.readdirSync(join(mount.path, 'd')).sort()).toEqual(['more', 'new'])
  })

  test('it and the kernel leave the same difference', async () => {
    const names: string[][] = []
    for (const method of ['fuse', 'descriptors'] as const) {
      await using at = await bed()
      await using driver = await at.open(method)
      await driver.createReadWrite(at.top, { parent: at.below })
      {
        await using mount = await driver.mount(at.top)
        edit(mount.path)
      }
      names.push(await namesOf(driver, at.top, at.below))
    }
    expect(names[0]).toEqual(names[1])
    expect(names[0]).toContain('.wh.gone')
  })

  test('its files that hide, where it can make no devices, are turned into devices', async () => {
    await using at = await bed()
    await using driver = await at.open('fuse')
    await driver.createReadWrite(at.top, { parent: at.below })
    {
      await using mount = await driver.mount(at.top)
      fs.writeFileSync(join(mount.path, 'd/deep/new'), '')
    }
    // As a kernel before 5.8 makes it write.
    fs.writeFileSync(at.diff('d/.wh.old'), '')
    fs.writeFileSync(at.diff('d/deep/.wh..wh..opq'), '')
    execFileSync('setfattr', ['-n', 'user.fuseoverlayfs.opaque', '-v', 'y', at.diff('d/deep')])
    execFileSync('setfattr', ['-n', 'user.fuseoverlayfs.origin', '-v', '/x', at.diff('d/deep/new')])
    const before = fs.statSync(at.diff('d')).mtimeMs
    expect(await changesOf(driver, at.top, at.below)).toEqual([
      'modify /d',
      'modify /d/deep',
      'add /d/deep/new',
      'delete /d/deep/old',
      'delete /d/old',
    ])
    expect(fs.readdirSync(at.diff('d')).sort()).toEqual(['deep', 'old'])
    expect(fs.readdirSync(at.diff('d/deep'))).toEqual(['new'])
    expect(fs.statSync(at.diff('d')).mtimeMs).toBe(before)
  })

  test('what a killed process left is unmounted at the next open, and its process ends', async () => {
    await using at = await bed()
    {
      await using driver = await at.open('fuse')
      await driver.createReadWrite(at.top, { parent: at.below })
    }
    const child = start('fuse-mount', at.root, at.top)
    const path = await answer(child)
    fs.writeFileSync(join(path, 'written'), 'before the kill')
    await kill(child)
    expect(mountsIn(at.root)).toEqual([path])
    expect(processesOn(at.root).length).toBe(1)
    await using driver = await at.open()
    expect(mountsIn(at.root)).toEqual([])
    await untilGone(at.root)
    expect(fs.readFileSync(at.diff('written'), 'utf8')).toBe('before the kill')
    expect(await changesOf(driver, at.top, at.below)).toEqual(['add /written'])
  })

  test('what it says when it cannot mount is in the error', async () => {
    await using at = await bed()
    await using driver = await at.open('fuse')
    await driver.createReadWrite(at.top, { parent: at.below })
    fs.rmdirSync(join(at.root, at.top, 'work'))
    fs.writeFileSync(join(at.root, at.top, 'work'), 'no directory')
    await expect(driver.mount(at.top)).rejects.toThrow(/fuse-overlayfs: .*workdir/)
    expect(mountsIn(at.root)).toEqual([])
  })
})
