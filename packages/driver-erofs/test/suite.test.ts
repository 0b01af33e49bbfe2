import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { type Driver, newCacheID } from '@varve/core'
import { erofs } from '@varve/driver-erofs'
import { driverSuite } from '@varve/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { canMount, PARENT, place } from './place.ts'

test.runIf(process.env.CI)('the erofs driver is tested where it must be', () => {
  expect(canMount).toBe(true)
})

/** On a tmpfs images are on loop devices; give a directory of a disk for mounts of files. */
const dir = place(process.env.VARVE_DISK ?? PARENT)
afterAll(() => dir[Symbol.asyncDispose]())

describe.skipIf(!canMount)('the driver contract (needs root)', async () => {
  if (!canMount) return
  const first = join(dir.path, 'first')
  await (await erofs({ root: first }))[Symbol.asyncDispose]()
  const factory = async (): Promise<Driver> => {
    const root = join(dir.path, newCacheID())
    await mkdir(root)
    // What was found out about the file system is true of all of it.
    await copyFile(join(first, 'probes.json'), join(root, 'probes.json'))
    return await erofs({ root })
  }
  await driverSuite({ test, factory })
})
