/**
 * Cases of the test kit on drivers in a directory, as whoever runs it: `suite ROOT METHOD NAMES`, those
 * whose names a regular expression finds; the method is `any` or one of `MOUNT_METHODS`. Prints one
 * line for each case.
 */
import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { type Driver, newCacheID } from '@varve/core'
import { MOUNT_METHODS, overlay } from '@varve/driver-overlay'
import { metadataFs } from '@varve/metadata-fs'
import { tarSplit } from '@varve/tarsplit'
import { collectCases, driverSuite, storeSuite, type TestFunction } from '@varve/testkit'

const [root = '', method, names = ''] = process.argv.slice(2)
const mountMethod = MOUNT_METHODS.find((each) => each === method)
const cases = collectCases()
const wanted = new RegExp(names)
const test: TestFunction = (name, run) => {
  if (wanted.test(name)) cases.test(name, run)
}

/** With what the first has found out about this kernel, which takes longer than most cases. */
async function open(at: string): Promise<Driver> {
  if (mountMethod) return overlay({ root: at, mountMethod })
  const [known, here] = [join(root, 'known'), join(at, 'probes.json')]
  mkdirSync(at, { recursive: true })
  if (existsSync(known)) cpSync(known, here)
  const driver = await overlay({ root: at })
  if (!existsSync(known)) cpSync(here, known)
  return driver
}

await driverSuite({ test, factory: () => open(join(root, newCacheID())) })
await storeSuite({
  test,
  factory() {
    const at = join(root, newCacheID())
    return {
      parts: async () => ({
        driver: await open(join(at, 'overlay2')),
        metadata: await metadataFs({ root: join(at, 'layerdb') }),
        codec: tarSplit(),
      }),
      alter: async (_driver, id, change) => change(join(at, 'overlay2', id, 'diff')),
      async [Symbol.asyncDispose]() {},
    }
  },
})
for (const { name, error } of await cases.run()) {
  const why = error instanceof Error ? error.stack : error
  process.stdout.write(`${JSON.stringify({ name, error: why })}\n`)
}
