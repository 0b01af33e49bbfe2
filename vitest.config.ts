import { configDefaults, defineConfig } from 'vitest/config'
import { noSkips } from './test/no-skips.ts'

const conditions = ['@varve/source']

/** What these tests watch is a process of Node's, whichever runtime they run on themselves. */
const ON_NODE_ONLY = [
  'test/power-loss/**',
  'test/store/faults/**',
  'test/docs/**',
  'packages/*/test/faults.test.ts',
  'packages/*/test/kill.test.ts',
  'packages/image/test/killed.test.ts',
  // A Node for Windows runs under wine, whoever asks for it.
  'packages/driver-windows/test/wine.test.ts',
  'packages/driver-overlay/test/{fuse,rootless}.test.ts',
  // The command itself runs on all three in scripts/check-tarballs.ts.
  'packages/cli/test/{graph,images,layer,limits,pipes,repair,tarsplit,unshare}.test.ts',
]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: process.env.VARVE_RUNTIME === undefined ? [] : ON_NODE_ONLY,
    reporters: [...configDefaults.reporters, ...(process.env.CI ? [noSkips()] : [])],
    // Tests wait for children and disks for much of their time.
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
