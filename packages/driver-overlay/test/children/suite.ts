/**
 * The suites of the test kit on drivers in a directory, as whoever runs it: `suite ROOT [METHOD]`;
 * prints one line for each case.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { newCacheID } from '@varve/core'
import { type MountMethod, overlay } from '@varve/driver-overlay'
import { metadataFs } from '@varve/metadata-fs'
import { tarSplit } from '@varve/tarsplit'
import { collectCases, driverSuite, storeSuite } from '@varve/testkit'

const [root = '', mountMethod] = process.argv.slice(2) as [string, MountMethod?]
const cases = collectCases()
const method = mountMethod === undefined ? {} : { mountMethod }
const open = (at: string) => overlay({ root: at, ...method })

await driverSuite({ test: cases.test, factory: () => open(join(root, newCacheID())) })
await storeSuite({
  test: (name, run) => cases.test(`store: ${name}`, run),
  factory() {
    const at = join(root, newCacheID())
    mkdirSync(at)
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
  const why = error === undefined ? {} : { error: error instanceof Error ? error.stack : `${error}` }
  process.stdout.write(`${JSON.stringify({ name, ...why })}\n`)
}
