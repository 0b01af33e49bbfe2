import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

const conditions = ['@varve/source']

/** `npm run test:interop`: varve beside the tools whose formats it speaks. Needs root and them. */
export default defineConfig({
  root: import.meta.dirname,
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['*.test.ts'],
    globalSetup: 'global-setup.ts',
    // Most of a short command's time would go into stripping types, every time again.
    env: {
      NODE_COMPILE_CACHE: join(import.meta.dirname, '../node_modules/.cache/node-compile'),
    },
    // The files share two cores and a few gigabytes of images.
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
})
