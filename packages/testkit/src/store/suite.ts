import type { Driver } from '@varve/core'
import type { TestFunction } from '../runner.ts'
import { type StoreBed, type StoreCase, StoreKit } from './bed.ts'
import { failing } from './failing.ts'
import { readWrite } from './read-write.ts'
import { registering } from './registering.ts'
import { restarting } from './restarting.ts'
import { restoring } from './restoring.ts'
import { states } from './states.ts'

/** What {@link storeSuite} works with. */
export interface StoreSuiteOptions {
  /** Your runner's. */
  readonly test: TestFunction
  /** An empty place for a store; asked for anew by every case, and disposed of by it. */
  readonly factory: () => StoreBed | Promise<StoreBed>
}

/**
 * Registers every case about a whole layer store, made of the bed's driver, metadata and codec.
 * Await it, because it asks a first bed what it can do.
 *
 * @example
 * ```ts
 * import { collectCases, memoryStoreBed, storeSuite } from '@varve/testkit'
 *
 * const { test, run } = collectCases() // or: import { test } from 'vitest'
 * await storeSuite({ test, factory: () => memoryStoreBed() })
 * console.assert((await run('the empty layer')).every(({ error }) => error === undefined))
 * ```
 */
export async function storeSuite({ test, factory }: StoreSuiteOptions): Promise<void> {
  const [first, driver] = await lookAt(factory)
  const cases = [registering, readWrite, states, failing, restarting, restoring].flat()
  for (const one of cases) {
    if (!applies(one, first, driver)) continue
    test(`store: ${one.name}`, async () => {
      await using bed = await factory()
      const kit = new StoreKit(bed)
      try {
        await one.run(kit)
      } finally {
        await kit.end()
      }
    })
  }
}

async function lookAt(factory: StoreSuiteOptions['factory']): Promise<[StoreBed, Driver]> {
  await using bed = await factory()
  const { driver, metadata } = await bed.parts()
  await driver[Symbol.asyncDispose]()
  await metadata[Symbol.asyncDispose]()
  return [bed, driver]
}

function applies(one: StoreCase, bed: StoreBed, driver: Driver): boolean {
  const { needs, needsCodec, needsCall } = one
  if (needsCodec && driver.capabilities.reproducesExactDiffs) return false
  if (needsCall && !driver[needsCall]) return false
  if (needs === 'shared') return bed.shared ?? true
  return needs === undefined || bed[needs] !== undefined
}
