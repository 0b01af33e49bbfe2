/** What `tar -x` unpacked: files in a directory, and nothing to mount. */
import { mkdir } from 'node:fs/promises'
import { run } from '../../interop/run.ts'
import type { Contestant } from '../life/contestant.ts'

/** Looks like a contestant whose every layer is the one directory. */
export function unpacked(path: string): Contestant {
  return {
    name: 'tar -x',
    by: 'command',
    async load({ tars: [tar = ''] }) {
      await mkdir(path)
      await run('tar', ['-C', path, '--numeric-owner', '-xf', tar])
    },
    async create() {},
    look: async () => ({ path, async [Symbol.asyncDispose]() {} }),
    async remove() {},
    questions: {},
    async [Symbol.asyncDispose]() {},
  }
}
