import { join } from 'node:path'
import { newCacheID } from '@varve/core'
import { vfs } from '@varve/driver-vfs'
import { driverSuite } from '@varve/testkit'
import { afterAll, test } from 'vitest'
import { place } from '../../trees/test/place.ts'

const dir = place()
afterAll(() => dir[Symbol.asyncDispose]())

await driverSuite({
  test,
  factory: () => vfs({ root: join(dir.path, newCacheID()) }),
  async alter(driver, id, change) {
    await using mount = await driver.mount(id)
    await change(mount.path)
  },
})
