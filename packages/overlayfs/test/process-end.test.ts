import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const node = at('../../../node_modules/.bin/node')
const child = at('children/ending.ts')

describe.skipIf(process.platform === 'win32')('what is done when a process ends', () => {
  for (const second of ['SIGHUP', 'SIGINT', 'SIGTERM']) {
    test(`is done to its end when ${second} comes meanwhile`, () => {
      const args = ['--conditions=@varve/source', child, 'SIGHUP', second]
      const { stdout, signal } = spawnSync(node, args, { encoding: 'utf8' })
      expect([stdout, signal]).toEqual(['begun done', 'SIGHUP'])
    })
  }
})
