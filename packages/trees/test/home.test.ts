import { chmod, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { newCacheID } from '@varve/core'
import { openSys } from '@varve/sys'
import { asidesIn, isThere, layersIn, refuseChanges, setMode, syncNames } from '@varve/trees'
import { expect, onTestFinished, test } from 'vitest'

async function place(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'trees-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

test('a link that leads nowhere is there', async () => {
  const dir = await place()
  await symlink('nowhere', join(dir, 'link'))
  expect([await isThere(join(dir, 'link')), await isThere(join(dir, 'other'))]).toEqual([
    true,
    false,
  ])
})

test('layers are the names that are ids', async () => {
  const dir = await place()
  const id = newCacheID()
  for (const name of [id, 'l', 'removing']) await mkdir(join(dir, name))
  expect(await layersIn(dir)).toEqual([id])
  expect(await layersIn(join(dir, 'missing'))).toEqual([])
})

test.skipIf(process.platform === 'win32')('a mode that somebody changed is set', async () => {
  const dir = await place()
  await chmod(dir, 0o777)
  await setMode(dir, 0o710)
  expect((await stat(dir)).mode & 0o7777).toBe(0o710)
})

test('each directory that was made is synced in the one above', async () => {
  const dir = await place()
  const path = join(dir, 'a/b/c')
  const top = await mkdir(path, { recursive: true })
  const synced: string[] = []
  const sys = { ...openSys(), syncDirectory: async (at: string) => void synced.push(at) }
  await syncNames(sys, path, top)
  expect(synced).toEqual([dirname(path), join(dir, 'a'), dir])
  await syncNames(sys, path, undefined)
  expect(synced).toHaveLength(3)
})

test('what only reads refuses with the way out', async () => {
  await expect(refuseChanges('/store')()).rejects.toMatchObject({
    code: 'ERR_PERMISSION',
    message: 'Cannot change /store: it is open to read only',
    hint: expect.stringContaining('varve save'),
  })
})

test('directories set aside go one by one, or all together, and those of others are left', async () => {
  const parent = join(await place(), 'aside')
  const remove = (path: string) => rm(path, { recursive: true })
  const mine = asidesIn(parent, openSys(), remove)
  await using theirs = asidesIn(parent, openSys(), remove)
  const [one, two] = [await mine.open(), await mine.open()]
  const other = await theirs.open()
  await one[Symbol.asyncDispose]()
  expect([await isThere(one.path), await isThere(two.path)]).toEqual([false, true])
  await mine[Symbol.asyncDispose]()
  expect([await isThere(two.path), await isThere(other.path)]).toEqual([false, true])
  expect(await theirs.sweep()).toBe(0)
})
