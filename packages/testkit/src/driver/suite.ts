import type { Driver } from '@varve/core'
import type { TestFunction } from '../runner.ts'
import type { DriverCase } from './case.ts'
import { copies } from './copies.ts'
import { differences } from './differences.ts'
import { kept } from './kept.ts'
import { type AlterLayer, Kit, type Surroundings } from './kit.ts'
import { life } from './life.ts'
import { metadataKept } from './metadata-kept.ts'
import { mounts } from './mounts.ts'
import { payloads } from './payloads.ts'
import { replacing } from './replacing.ts'
import { tars } from './tars.ts'
import { trouble } from './trouble.ts'

/** What {@link driverSuite} works with. */
export interface DriverSuiteOptions {
  /** Your runner's. */
  readonly test: TestFunction
  /** A driver with no layers; asked for anew by every case, and disposed of by it. */
  readonly factory: () => Driver | Promise<Driver>
  /** Whether owners and devices can be looked at; by default, whether this process is root's. */
  readonly isRoot?: boolean
  /**
   * Changes a finished layer's files behind the driver's back. By default a driver whose mounts
   * are directories has them changed there; for others the cases about altered data are left out.
   */
  readonly alter?: AlterLayer
}

const CASES: readonly DriverCase[] = [
  ...life,
  ...mounts,
  ...kept,
  ...copies,
  ...replacing,
  ...differences,
  ...metadataKept,
  ...payloads,
  ...trouble,
  ...tars,
]

/**
 * Registers every case of the driver contract that applies to a driver with these capabilities.
 * Await it, because it asks a first driver what it can do.
 *
 * @example
 * ```ts
 * import { collectCases, driverSuite, memoryDriver } from '@varve/testkit'
 *
 * const { test, run } = collectCases() // or: import { test } from 'vitest'
 * await driverSuite({ test, factory: () => memoryDriver() })
 * console.assert((await run('mounts are counted')).every(({ error }) => error === undefined))
 * ```
 */
export async function driverSuite({
  test,
  factory,
  isRoot = process.getuid?.() === 0,
  alter,
}: DriverSuiteOptions): Promise<void> {
  await using first = await factory()
  const { capabilities } = first
  const change = alter ?? (capabilities.mount === 'directory' ? alterInPlace : undefined)
  const around: Surroundings = { isRoot, ...(change ? { alter: change } : {}) }
  for (const { name, when, run } of CASES) {
    if (when && !when(capabilities, around, first)) continue
    test(`driver: ${name}`, async () => {
      await using driver = await factory()
      await run(new Kit(driver, around))
    })
  }
}

const alterInPlace: AlterLayer = async (driver, id, change) => {
  await using mount = await driver.mount(id, { readOnly: true })
  await change(mount.path)
}
