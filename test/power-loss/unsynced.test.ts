import { chmod, mkdtemp, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Layer } from '@varve/core'
import { openSys } from '@varve/sys'
import { tarOf } from '@varve/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openStack } from './stack.ts'

const BASE = tarOf([
  { name: 'etc/' },
  { name: 'etc/hostname', data: 'varve' },
  { name: 'etc/empty' },
  { name: 'etc/link', type: 'symlink', link: 'hostname' },
])
const TOP = tarOf([{ name: 'etc/top', data: 'top' }])

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'varve-unsynced-'))
})
afterEach(async () => {
  await rm(root, { recursive: true })
})

/** Makes two layers that are not synced, damages them, and opens the store in a later boot. */
async function listedAfterRestart(
  damage: (files: { base: string; top: string }) => Promise<void>,
): Promise<string[]> {
  const names = new Map<string, string>()
  {
    await using stack = await openStack(root, openSys())
    const options = { durability: 'deferred' } as const
    await using base = await stack.store.register([BASE], options)
    await using top = await stack.store.register([TOP], { ...options, parent: base.chainID })
    names.set(base.chainID, 'base').set(top.chainID, 'top')
    const filesOf = (layer: Layer) => join(root, 'vfs/dir', layer.cacheID)
    await damage({ base: filesOf(base), top: filesOf(top) })
  }
  await using stack = await openStack(root, { ...openSys(), bootId: async () => 'later' })
  // What was set aside keeps its files until a cleanup.
  const problems = await Array.fromAsync(stack.store.check({ full: true }))
  expect(problems.filter(({ kind }) => kind !== 'unreferenced-data')).toEqual([])
  const layers = await Array.fromAsync(stack.store.layers())
  return layers.map(({ chainID }) => names.get(chainID) ?? chainID).sort()
}

test('unsynced layers that survived a restart stay', async () => {
  expect(await listedAfterRestart(async () => {})).toEqual(['base', 'top'])
})

test('an unsynced layer that lost contents is set aside, with the one that stands on it', async () => {
  const damage = ({ base }: { base: string }) => writeFile(join(base, 'etc/hostname'), '')
  expect(await listedAfterRestart(damage)).toEqual([])
})

test('one that lost a name, a link or a mode is set aside too', async () => {
  expect(await listedAfterRestart(({ top }) => unlink(join(top, 'etc/top')))).toEqual(['base'])
  await rm(root, { recursive: true })
  expect(await listedAfterRestart(({ base }) => unlink(join(base, 'etc/link')))).toEqual([])
  await rm(root, { recursive: true })
  expect(await listedAfterRestart(({ base }) => unlink(join(base, 'etc/empty')))).toEqual([])
  await rm(root, { recursive: true })
  expect(await listedAfterRestart(({ base }) => chmod(join(base, 'etc/empty'), 0))).toEqual([])
})

test('one whose files are gone is set aside', async () => {
  const damage = ({ base }: { base: string }) => rename(base, join(root, 'elsewhere'))
  expect(await listedAfterRestart(damage)).toEqual([])
})
