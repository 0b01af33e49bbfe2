/** diff, changes and diffSize tell exactly what is different. */
import assert from 'node:assert/strict'
import { chmod, link, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { collect } from '@varve/core'
import { equalBytes } from '../expect.ts'
import { tarOf } from '../tar/build.ts'
import type { DriverCase } from './case.ts'
import type { Kit } from './kit.ts'

const BASE = [
  { name: 'etc/' },
  { name: 'etc/hosts', data: 'hosts' },
  { name: 'etc/passwd', data: 'passwd' },
  { name: 'lib/' },
  { name: 'lib/deep/' },
  { name: 'lib/deep/so', data: 'so' },
  { name: 'old/' },
  { name: 'old/file', data: 'file' },
  { name: 'usr/' },
  { name: 'usr/kept', data: 'kept' },
]

export const differences: readonly DriverCase[] = [
  {
    name: 'a layer in which nothing was changed has no changes and no size',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const id = await kit.readWrite(base)
      await kit.mounted(id, async () => {})
      assert.deepEqual(await kit.changes(id, base), [])
      assert.equal(await kit.driver.diffSize(id, base), 0)
      assert.deepEqual([...(await kit.told(id))].length, BASE.length)
    },
  },
  {
    name: 'changes are exactly what was added, modified and deleted, sorted, parents included',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const id = await kit.readWrite(base)
      await kit.mounted(id, modify)
      assert.deepEqual(await kit.changes(id, base), CHANGES)
    },
  },
  {
    name: 'changes are told while the layer is mounted',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const id = await kit.readWrite(base)
      await kit.mounted(id, async (path) => {
        await modify(path)
        assert.deepEqual(await kit.changes(id, base), CHANGES)
      })
    },
  },
  {
    name: 'changes of a base layer are all that is in it',
    run: async (kit) => {
      const id = await kit.layer(BASE)
      const wanted = BASE.map(({ name }) => `A /${name.replace(/\/$/, '')}`)
      assert.deepEqual(await kit.changes(id), wanted)
    },
  },
  {
    name: 'a mode alone is a change, and of that file only',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const id = await kit.readWrite(base)
      await kit.mounted(id, (path) => chmod(join(path, 'etc/hosts'), 0o600))
      assert.deepEqual(await kit.changes(id, base), ['C /etc', 'C /etc/hosts'])
      const copy = await kit.layer([await kit.diff(id, base)], base)
      assert.equal((await kit.shown(copy)).get('etc/hosts')?.mode, 0o600)
    },
  },
  {
    name: 'content of the same length is a change',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const id = await kit.readWrite(base)
      await kit.mounted(id, (path) => writeFile(join(path, 'etc/hosts'), 'HOSTS'))
      assert.deepEqual(await kit.changes(id, base), ['C /etc', 'C /etc/hosts'])
    },
  },
  {
    name: 'a diff applied elsewhere gives the same files and the same size',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const id = await kit.readWrite(base)
      await kit.mounted(id, modify)
      const tar = await kit.diff(id, base)
      const copy = await kit.create(base)
      await using applied = await kit.apply(copy, base, [tar])
      assert.deepEqual(await kit.texts(copy), await kit.texts(id))
      assert.deepEqual(await kit.changes(copy, base), await kit.changes(id, base))
      assert.equal(await kit.driver.diffSize(copy, base), await kit.driver.diffSize(id, base))
      assert.ok(applied.size > 0)
    },
  },
  {
    name: 'a diff from nothing is the whole file system',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const top = await kit.layer([{ name: '.wh.old' }, { name: 'new', data: 'n' }], base)
      const copy = await kit.layer([await kit.diff(top)])
      assert.deepEqual([...(await kit.shown(copy))], [...(await kit.shown(top))])
    },
  },
  {
    name: 'a diff over several layers is their sum',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const middle = await kit.layer([{ name: 'm', data: 'm' }, { name: '.wh.usr' }], base)
      const top = await kit.layer(
        [{ name: 't', data: 't' }, { name: '.wh.m' }, { name: 'etc/hosts', data: 'top' }],
        middle,
      )
      const copy = await kit.layer([await kit.diff(top, base)], base)
      assert.deepEqual(await kit.texts(copy), await kit.texts(top))
      assert.deepEqual(await kit.changes(top, base), ['C /etc', 'C /etc/hosts', 'A /t', 'D /usr'])
    },
  },
  {
    name: 'sizes count what is in the files, a hard link once',
    run: async (kit) => {
      const id = await kit.readWrite()
      await kit.mounted(id, async (path) => {
        await writeFile(join(path, 'a'), 'x'.repeat(10_000))
        await link(join(path, 'a'), join(path, 'b'))
        await writeFile(join(path, 'c'), 'x'.repeat(500))
      })
      const size = await kit.driver.diffSize(id)
      // A driver may count whole blocks and directories, but never a file twice.
      assert.ok(size >= 10_500 && size < 20_000, `${size} bytes`)
      if (!kit.driver.capabilities.reproducesExactDiffs) await appliedSize(kit)
    },
  },
  {
    name: 'a layer that is applied on a read-write layer changes what is there',
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const id = await kit.readWrite(base)
      await kit.mounted(id, (path) => writeFile(join(path, 'mine'), 'mine'))
      await (await kit.apply(id, base, [{ name: 'theirs', data: 't' }, { name: '.wh.old' }]))[
        Symbol.asyncDispose
      ]()
      assert.deepEqual(await kit.changes(id, base), ['A /mine', 'D /old', 'A /theirs'])
    },
  },
  {
    name: 'the very tar comes back, junk behind its end included',
    when: ({ reproducesExactDiffs }) => reproducesExactDiffs,
    run: async (kit) => {
      const base = await kit.layer(BASE)
      const tar = tarOf([
        { name: 'f', data: '1' },
        { name: 'f', data: '2' },
        { name: '.wh.old', data: 'x' },
      ])
      const id = await kit.create(base)
      const parts = [tar, new Uint8Array(3000), Uint8Array.of(1, 2, 3)]
      await using _applied = await kit.driver.applyDiff(id, base, parts)
      equalBytes(await kit.diff(id, base), await collect(parts, 2 ** 20))
    },
  },
  {
    name: 'a diff stream that is cancelled is no failure and leaves the layer whole',
    run: async (kit) => {
      const id = await kit.layer([{ name: 'big', data: 'x'.repeat(1_000_000) }])
      const reader = kit.driver.diff(id).getReader()
      await reader.read()
      await reader.cancel()
      assert.equal((await kit.texts(id)).big?.length, 1_000_000)
      await kit.driver.remove(id)
      await kit.isEmpty()
    },
  },
]

/** Adds, modifies, deletes, replaces a type, moves and links. */
async function modify(path: string): Promise<void> {
  const at = (name: string) => join(path, name)
  await writeFile(at('etc/hosts'), 'longer hosts')
  await rm(at('etc/passwd'))
  await mkdir(at('etc/passwd'))
  await writeFile(at('etc/passwd/inside'), 'inside')
  await rename(at('lib/deep/so'), at('lib/so'))
  await rm(at('old'), { recursive: true })
  await symlink('/etc', at('old'))
  await writeFile(at('zz'), 'zz')
}

const CHANGES = [
  'C /etc',
  'C /etc/hosts',
  'C /etc/passwd',
  'A /etc/passwd/inside',
  'C /lib',
  'C /lib/deep',
  'D /lib/deep/so',
  'A /lib/so',
  'C /old',
  'A /zz',
]

async function appliedSize(kit: Kit): Promise<void> {
  const id = await kit.create()
  await using applied = await kit.apply(id, undefined, [{ name: 'f', data: 'x'.repeat(9000) }])
  assert.ok(applied.size >= 9000 && applied.size < 30_000, `${applied.size} bytes applied`)
}
