/** Tools that only unpack, and the least that whoever checks a layer must do. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Contestant, withoutZstd } from './contestant.ts'

/** GNU tar, which keeps nothing but the files: no digest, no record, no exact way back. */
export function tar(dir: string): Contestant {
  const out = join(dir, 'tar')
  const flags = { tar: '-xf', gz: '-xzf', zst: '--zstd -xf' }
  const wipe = () => rm(out, { recursive: true, force: true })
  return {
    name: 'tar -x / tar -c / rm -rf',
    exact: false,
    takes: () => true,
    async register({ file, compression }) {
      await wipe()
      await mkdir(out)
      const how = flags[compression].split(' ')
      return { argv: ['tar', '-C', out, '--numeric-owner', ...how, file] }
    },
    export: (_, to) => ({ argv: ['tar', '-C', out, '--numeric-owner', '-cf', to, '.'] }),
    remove: () => ({ argv: ['rm', '-rf', out] }),
    [Symbol.asyncDispose]: wipe,
  }
}

/** umoci, which unpacks and checks digests, and keeps no way back to the same tar. */
export function umoci(dir: string): Contestant {
  const bundle = join(dir, 'umoci')
  const wipe = () => rm(bundle, { recursive: true, force: true })
  return {
    name: 'umoci unpack / rm -rf',
    exact: false,
    takes: withoutZstd,
    async register({ wrapped }) {
      await wipe()
      return { argv: ['umoci', 'unpack', '--image', `${wrapped.layout}:x`, bundle] }
    },
    remove: () => ({ argv: ['rm', '-rf', bundle] }),
    [Symbol.asyncDispose]: wipe,
  }
}

/** varve's own inflating and SHA-256, and not a byte written: no store in Node can be faster. */
export function digestAlone(): Contestant {
  const script = join(import.meta.dirname, '../digest-alone.ts')
  return {
    name: 'inflate and SHA-256 alone, in Node',
    exact: false,
    takes: () => true,
    register: async ({ file }) => ({ argv: [process.execPath, script, file] }),
    async [Symbol.asyncDispose]() {},
  }
}
