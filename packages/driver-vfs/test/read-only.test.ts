import fs from 'node:fs'
import { join } from 'node:path'
import { collect, newCacheID } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { expect, test } from 'vitest'
import { place } from '../../trees/test/place.ts'

test('readOnly reads layers, refuses every change, and touches nothing', async () => {
  await using dir = place()
  const id = newCacheID()
  fs.mkdirSync(join(dir.path, 'dir', id), { recursive: true })
  fs.writeFileSync(join(dir.path, 'dir', id, 'file'), 'content')
  const before = fs.lstatSync(dir.path, { bigint: true }).mtimeNs

  await using driver = await vfs({ root: dir.path, readOnly: true })
  expect(await Array.fromAsync(driver.list())).toEqual([id])
  await using files = await driver.files?.(id)
  const bytes = await collect(files?.open(new TextEncoder().encode('file'), 7) ?? [], 100)
  expect(new TextDecoder().decode(bytes)).toBe('content')

  const refused = { code: 'ERR_PERMISSION' }
  await expect(driver.create(newCacheID())).rejects.toMatchObject(refused)
  await expect(driver.createReadWrite(newCacheID())).rejects.toMatchObject(refused)
  await expect(driver.applyDiff(id, undefined, [])).rejects.toMatchObject(refused)
  await expect(driver.remove(id)).rejects.toMatchObject(refused)
  await driver.status()
  await driver.cleanup()
  expect(fs.readdirSync(dir.path)).toEqual(['dir'])
  expect(fs.lstatSync(dir.path, { bigint: true }).mtimeNs).toBe(before)
})
