import { join } from 'node:path'
import process from 'node:process'
import { newCacheID } from '@varve/core'
import { MOUNT_METHODS, overlay } from '@varve/driver-overlay'
import { driverSuite } from '@varve/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { canMount, place } from './place.ts'

test.runIf(process.env.CI)('the overlay driver is tested where it must be', () => {
  expect(canMount).toBe(true)
})

const dir = place()
afterAll(() => dir[Symbol.asyncDispose]())

describe.skipIf(!canMount)('the driver contract (needs root)', async () => {
  if (!canMount) return
  for (const mountMethod of MOUNT_METHODS) {
    const root = () => join(dir.path, newCacheID())
    const factory = () => overlay({ root: root(), mountMethod })
    await driverSuite({ test: (name, run) => test(`${mountMethod}: ${name}`, run), factory })
  }
  const naive = () => overlay({ root: join(dir.path, newCacheID()), nativeDiff: false })
  await driverSuite({ test: (name, run) => test(`naive diff: ${name}`, run), factory: naive })
})
