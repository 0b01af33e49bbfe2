/** The driver contract where the kernel has not all that this driver likes best. */
import { join } from 'node:path'
import { newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { driverSuite } from '@varve/testkit'
import { afterAll, describe, test } from 'vitest'
import { canMount, place } from './place.ts'

const dir = place()
afterAll(() => dir[Symbol.asyncDispose]())
const root = () => join(dir.path, newCacheID())

describe.skipIf(!canMount)('by mount(2) (needs root)', async () => {
  if (!canMount) return
  await driverSuite({ test, factory: () => overlay({ root: root(), mountMethod: 'options' }) })
})

describe.skipIf(!canMount)('by a naive diff (needs root)', async () => {
  if (!canMount) return
  await driverSuite({ test, factory: () => overlay({ root: root(), nativeDiff: false }) })
})
