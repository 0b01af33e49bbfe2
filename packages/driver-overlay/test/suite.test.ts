import { join } from 'node:path'
import process from 'node:process'
import { newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
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
  const root = () => join(dir.path, newCacheID())
  await driverSuite({ test, factory: () => overlay({ root: root() }) })
})
