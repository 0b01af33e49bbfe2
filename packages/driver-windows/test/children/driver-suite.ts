/** Runs on Windows (or wine): the driver suite of the test kit, on the real binding. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newCacheID } from '@varve/core'
import { windows } from '@varve/driver-windows'
import { driverSuite } from '@varve/testkit'
import { underFiles } from '../lens.ts'
import { NOT_OF_DRIVERS } from '../not-on-windows.ts'
import { DRIVERS_NOT_UNDER_WINE } from '../not-under-wine.ts'
import { calls, runner } from './windows-bed.ts'

const dir = mkdtempSync(join(tmpdir(), 'varve-windows-'))
const { test, report } = runner(NOT_OF_DRIVERS, DRIVERS_NOT_UNDER_WINE)

await driverSuite({
  test,
  alter: async (driver, id, change) => {
    await using mount = await driver.mount(id, { readOnly: true })
    await change(mount.path)
  },
  factory: async () => underFiles(await windows({ root: join(dir, newCacheID()), ports: calls })),
})
await report()
