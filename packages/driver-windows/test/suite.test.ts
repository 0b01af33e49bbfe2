import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newCacheID } from '@varve/core'
import { windows } from '@varve/driver-windows'
import { driverSuite } from '@varve/testkit'
import { afterAll, expect, test } from 'vitest'
import { underFiles } from './lens.ts'
import { NOT_OF_DRIVERS } from './not-on-windows.ts'

const dir = mkdtempSync(join(tmpdir(), 'varve-windows-'))
afterAll(() => rm(dir, { recursive: true, force: true }))

const left = new Set(Object.values(NOT_OF_DRIVERS).flat())

await driverSuite({
  test: (name, fn) => {
    if (!left.delete(name)) test(name, fn)
  },
  alter: async (driver, id, change) => {
    await using mount = await driver.mount(id, { readOnly: true })
    await change(mount.path)
  },
  factory: async () => underFiles(await windows({ root: join(dir, newCacheID()) })),
})

test('the suite has every case that is left out', () => {
  expect([...left]).toEqual([])
})
