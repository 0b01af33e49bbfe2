/** Who is measured, and by which command each takes a layer in and gives it back. */
import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Docker } from '../interop/docker.ts'
import { run } from '../interop/run.ts'
import type { BenchLayer, Compression } from './layers.ts'
import type { Command } from './measure.ts'
import type { WrappedLayer } from './wrap.ts'

/** A layer in one compression, in every form that a contestant may want. */
export interface Input {
  readonly layer: BenchLayer
  readonly compression: Compression
  readonly file: string
  readonly diffID: string
  readonly wrapped: WrappedLayer
}

/** One tool. Between `register` and `clean` the layer is in its store. */
export interface Contestant {
  readonly name: string
  /** Whether it reads this compression at all. */
  takes(compression: Compression): boolean
  /** Makes ready, unmeasured, and says what to measure. */
  register(input: Input): Promise<Command>
  /** What to measure to get the registered layer back as an uncompressed tar in `to`. */
  export(input: Input, to: string): Promise<Command | undefined>
  clean(input: Input): Promise<void>
}

const always = () => true
/** Go's archive reader in these versions knows no zstd. */
const withoutZstd = (compression: Compression) => compression !== 'zst'

/** The built command, as users run it. @param driver if not the one that it takes by itself */
export function varve(dir: string, checkout: string, driver?: string): Contestant {
  const root = join(dir, driver === undefined ? 'varve' : `varve-${driver}`)
  const bin = join(checkout, 'packages/cli/dist/bin.js')
  const command = (...args: string[]): Command => ({
    argv: [
      process.execPath,
      bin,
      '--root',
      root,
      ...(driver === undefined ? [] : ['--driver', driver]),
      ...args,
    ],
  })
  return {
    name: driver === undefined ? 'varve' : `varve --driver ${driver}`,
    takes: always,
    async register({ file }) {
      if (!existsSync(bin)) throw new Error('Cannot measure varve: run npm run build first')
      await rm(root, { recursive: true, force: true })
      return command('layer', 'register', file)
    },
    export: async ({ diffID }, to) => command('layer', 'tar', diffID, '-o', to),
    clean: () => rm(root, { recursive: true }),
  }
}

/** GNU tar, which keeps nothing but the files: no digest, no record, no exact way back. */
export function tar(dir: string): Contestant {
  const out = join(dir, 'tar')
  const flags = { tar: '-xf', gz: '-xzf', zst: '--zstd -xf' }
  return {
    name: 'tar -x / tar -c',
    takes: always,
    async register({ file, compression }) {
      await rm(out, { recursive: true, force: true })
      await mkdir(out)
      const how = flags[compression].split(' ')
      return { argv: ['tar', '-C', out, '--numeric-owner', ...how, file] }
    },
    export: async (_, to) => ({ argv: ['tar', '-C', out, '--numeric-owner', '-cf', to, '.'] }),
    clean: () => rm(out, { recursive: true }),
  }
}

/** A Docker daemon with the vfs driver; its own processor time counts. */
export function docker(daemon: Docker): Contestant {
  const command = (...args: string[]): Command => ({
    argv: ['docker', '--host', daemon.address, ...args],
    daemonPid: daemon.pid,
  })
  return {
    name: 'docker load / docker save',
    takes: withoutZstd,
    register: async ({ wrapped }) => command('load', '-q', '-i', wrapped.archive),
    export: async (_, to) => command('save', '-o', to, 'x:x'),
    clean: async () => {
      await daemon('rmi', 'x:x')
    },
  }
}

/** skopeo with containers/storage's vfs driver: the storage of podman and buildah. */
export function skopeo(dir: string): Contestant {
  const root = join(dir, 'skopeo')
  const image = `containers-storage:[vfs@${root}/graph+${root}/run]x:x`
  const copy = (from: string, to: string): Command => ({
    argv: ['skopeo', '--insecure-policy', 'copy', '-q', from, to],
  })
  return {
    name: 'skopeo copy (containers-storage)',
    takes: always,
    async register({ wrapped }) {
      await rm(root, { recursive: true, force: true })
      return copy(`oci:${wrapped.layout}:x`, image)
    },
    export: async (_, to) => copy(image, `docker-archive:${to}:x:x`),
    clean: () => rm(root, { recursive: true }),
  }
}

/** umoci, which unpacks and checks digests, and keeps no way back to the same tar. */
export function umoci(dir: string): Contestant {
  const bundle = join(dir, 'umoci')
  return {
    name: 'umoci unpack',
    takes: withoutZstd,
    async register({ wrapped }) {
      await rm(bundle, { recursive: true, force: true })
      return { argv: ['umoci', 'unpack', '--image', `${wrapped.layout}:x`, bundle] }
    },
    export: async () => undefined,
    clean: () => rm(bundle, { recursive: true }),
  }
}

/** What the measured file system is; the figures mean nothing on one without a journal. */
export async function fileSystemOf(dir: string): Promise<string> {
  const [type = '', source = ''] = (await run('findmnt', ['-no', 'FSTYPE,SOURCE', '--target', dir]))
    .trim()
    .split(/\s+/)
  return source.startsWith('/dev/loop') ? `${type} on a loop device` : type
}
