import { randomInt } from 'node:crypto'
import { configDefaults, defineConfig } from 'vitest/config'
import { noSkips } from './test/no-skips.ts'
import { runs } from './test/runs.ts'

const conditions = ['@varve/source']

/**
 * What these tests watch is a process of Node's, whichever runtime they run on themselves; or it is
 * our own logic alone, which no runtime does in another way.
 */
const ON_NODE_ONLY = [
  'test/power-loss/**',
  'test/store/faults/**',
  'test/docs/**',
  'packages/*/test/faults.test.ts',
  'packages/*/test/kill.test.ts',
  'packages/image/test/killed.test.ts',
  // A Node for Windows runs under wine, whoever asks for it.
  'packages/driver-windows/test/wine.test.ts',
  'packages/driver-overlay/test/{fuse,rootless,ways}.test.ts',
  'packages/driver-windows/test/{call-order,scratch,suite,verify}.test.ts',
  'packages/testkit/test/{broken-driver,broken-metadata,broken-codec,exact-driver}.test.ts',
  // The command itself runs on all three in scripts/check-tarballs.ts.
  'packages/cli/test/{graph,images,layer,limits,pipes,repair,tarsplit,unshare}.test.ts',
]

// The workers take it from here, so that a whole run has the same one and can be repeated.
if (process.env.VARVE_SEED === 'random') {
  process.env.VARVE_SEED = String(randomInt(2 ** 31))
  console.log(`VARVE_SEED=${process.env.VARVE_SEED}`)
}

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: process.env.VARVE_RUNTIME === undefined ? [] : ON_NODE_ONLY,
    setupFiles: ['test/one-seed.ts'],
    reporters: [...configDefaults.reporters, ...(process.env.CI ? [noSkips()] : [])],
    // Tests wait for children and disks for much of their time.
    maxWorkers: '100%',
    // What hangs may be told late; what is only slow, on a busy machine, must not be told at all.
    testTimeout: Math.max(300_000, runs(60_000)),
    hookTimeout: 300_000,
  },
})
