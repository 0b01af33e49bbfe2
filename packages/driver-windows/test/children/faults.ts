/** Cases about calls that fail: errors have their types, nothing stays open, and nothing half done. */
import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CacheID, isCacheID, LayerError, newCacheID } from '@varve/core'
import type { WindowsDriver } from '@varve/driver-windows'
import { type TestFunction, tarOf } from '@varve/testkit'
import { BASE, diff, layer, open } from './life.ts'
import { equal, failAt, failing, handles, hasFailed, home, openBackups } from './probes.ts'

/** The threads of koffi and libuv have some of their own, and come as they are needed. */
const OF_THREADS = 12
const SMALL = tarOf([
  { name: 'Files/' },
  { name: 'Files/.wh.a.txt' },
  { name: 'Files/b', data: 'b' },
])

async function isClean(before: number): Promise<void> {
  equal(openBackups(), 0)
  const more = handles() - before
  if (more > OF_THREADS) throw new Error(`${more} handles more are open`)
  equal(
    readdirSync(tmpdir()).filter((name) => name.startsWith('hcs')),
    [],
  )
}

/** A mount that could not be let go is still held, and can be let go again. */
async function unmount(mount: AsyncDisposable): Promise<void> {
  try {
    await mount[Symbol.asyncDispose]()
  } catch (error) {
    await mount[Symbol.asyncDispose]()
    throw error
  }
}

/** Layers by their ids, those that others stand on last. */
function newestFirst(root: string): CacheID[] {
  const isScratch = (id: CacheID) => Number(existsSync(join(root, id, 'sandbox.vhdx')))
  return readdirSync(root)
    .filter(isCacheID)
    .sort((a, b) => isScratch(b) - isScratch(a))
}

/** Everything once, on a layer that is there. */
async function work(driver: WindowsDriver, base: CacheID): Promise<void> {
  const top = await layer(driver, SMALL, base)
  await diff(driver, top, base)
  const rw = newCacheID()
  await driver.createReadWrite(rw, { parent: top })
  const mount = await driver.mount(rw)
  try {
    await diff(driver, rw, top)
  } finally {
    await unmount(mount)
  }
  await driver.remove(rw)
  await driver.remove(top)
}

export function faultCases(test: TestFunction): void {
  test('whatever function fails, no handle and no backup stays open', async () => {
    await using driver = await open()
    const base = await layer(driver, BASE)
    await work(driver, base)
    const before = handles()
    for (const call of [
      'NameToGuid',
      'ImportLayer',
      'BackupWrite',
      'ProcessBaseImage',
      'ExportLayer',
      'BackupRead',
      'ActivateLayer',
      'PrepareLayer',
      'GetLayerMountPath',
    ]) {
      for (let i = 0; i < 3; i++) {
        const error = await failing(call, '80070005', async () => {
          const first = await layer(driver, BASE)
          await diff(driver, first)
          await work(driver, first)
        })
        if (!LayerError.is(error)) throw new Error(`${call}: ${String(error)}`)
      }
    }
    await isClean(before)
  })

  for (const compat of ['current', 'v1.11'] as const) {
    test(`whichever call fails, the n-th of all, it is said and can be tried again (${compat})`, async () => {
      const root = home()
      await using driver = await open({ compat, root })
      const base = await layer(driver, BASE)
      await work(driver, base)
      const before = handles()
      for (let n = 1; ; n++) {
        failAt(n)
        const error = await work(driver, base).then(
          () => undefined,
          (failure: unknown) => failure,
        )
        // Docker asks whether a layer exists and takes any failure for a no.
        if (!hasFailed()) break
        if (!LayerError.is(error)) throw new Error(`call ${n}: ${String(error)}`)
        if (error.code !== 'ERR_PERMISSION' && error.code !== 'ERR_IO') {
          throw new Error(`call ${n}: ${error.code} ${error.message}`)
        }
        for (const id of newestFirst(root)) if (id !== base) await driver.remove(id)
        equal(openBackups(), 0)
        if (n > 500) throw new Error('the work has no end')
      }
      await driver.cleanup()
      await work(driver, base)
      await isClean(before)
    })
  }
}
