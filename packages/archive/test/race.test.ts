import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { applyLayer } from '@varve/archive'
import { LayerError } from '@varve/core'
import { describe, expect, test } from 'vitest'
import { makeTar } from './support/make-tar.ts'
import { list, resolvers, sys, tempDir } from './support/tree.ts'

/** Exchanges a directory for a symbolic link and back, as fast as it can, until it is killed. */
const SWAP = `
import os, sys
root, outside = sys.argv[1], sys.argv[2]
os.chdir(root)
print('ready', flush=True)
while True:
    try:
        os.rename('d', 'away')
        os.symlink(outside, 'd')
        os.unlink('d')
        os.rename('away', 'd')
    except OSError:
        pass
`
const hasPython = (() => {
  const found = (process.env.PATH ?? '')
    .split(':')
    .some((dir) => fs.existsSync(join(dir, 'python3')))
  return found || process.env.CI !== undefined
})()

// Not by paths: that is the one that promises nothing here.
describe.skipIf(!hasPython).each(resolvers.filter((resolver) => resolver !== 'paths'))(
  'T7 by %s (needs python3)',
  (resolver) => {
    test('while somebody exchanges a directory for a link, nothing gets out', async () => {
      const [root, outside] = [tempDir(), tempDir()]
      fs.mkdirSync(join(root, 'd'))
      fs.mkdirSync(join(root, 'd/sub'))
      fs.mkdirSync(join(outside, 'sub'), { mode: 0o700 })
      fs.writeFileSync(join(outside, 'victim'), 'canary')
      const before = fs.statSync(outside, { bigint: true }).mtimeNs
      const swapper = spawn('python3', ['-c', SWAP, root, outside])
      try {
        await new Promise((ready, fail) => {
          swapper.stdout.once('data', ready)
          swapper.once('error', fail)
        })
        const entries = Array.from({ length: 200 }, (_, i) => [
          { name: `d/f${i}`, content: 'x', mode: 0o777 },
          { name: `d/sub/g${i}`, content: 'x' },
          { name: 'd/sub/', type: '5', mode: 0o777 },
          { name: `d/l${i}`, type: '1', link: `d/f${i}` },
          { name: 'd/victim', type: '2', link: 'x' },
          { name: `d/.wh.victim` },
        ]).flat()
        const tar = makeTar(...entries)
        for (const end = Date.now() + 2000; Date.now() < end; ) {
          try {
            await applyLayer(root, [tar], { sys, resolver })
          } catch (error) {
            // Whatever it stumbles over, it must not get out.
            if (!LayerError.is(error)) throw error
          }
        }
      } finally {
        const gone = new Promise((done) => swapper.once('close', done))
        swapper.kill('SIGKILL')
        await gone
      }
      expect(list(outside)).toEqual(['sub/', 'victim'])
      expect(fs.statSync(outside, { bigint: true }).mtimeNs).toBe(before)
      expect(fs.statSync(join(outside, 'sub')).mode & 0o777).toBe(0o700)
      expect(fs.readFileSync(join(outside, 'victim'), 'utf8')).toBe('canary')
    })
  },
)
