/**
 * containerd with its overlayfs snapshotter, by `ctr`: it makes snapshots and says how to mount
 * them; mount(8) does that.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../../interop/run.ts'
import type { BenchImage } from '../inputs/images.ts'
import type { Contestant } from './contestant.ts'

export async function containerd(dir: string): Promise<Contestant> {
  const at = (name: string) => join(dir, 'containerd', name)
  await mkdir(at(''), { recursive: true })
  const daemon = await start(at)
  const ctr = (...args: string[]) => run('ctr', ['--address', at('socket'), '-n', 'bench', ...args])
  const top = ({ name, layers }: BenchImage) => `${name}-${layers - 1}`
  const target = (id: string) => at(`mount-${id}`)
  return {
    name: 'containerd (ctr)',
    by: 'command',
    async load(image) {
      let parent: string[] = []
      for (const [i, tar] of image.tars.entries()) {
        const [making, made] = [`${image.name}-making`, `${image.name}-${i}`]
        await ctr('snapshots', 'prepare', making, ...parent)
        const mount = await ctr('snapshots', 'mounts', '/nowhere', making)
        // The layers only add, so they need not be seen over each other.
        const own =
          /upperdir=([^,\s]+)/.exec(mount)?.[1] ?? /\S*\/snapshots\/\d+\/fs/.exec(mount)?.[0]
        await run('tar', ['-C', own ?? '', '-xf', tar])
        await ctr('snapshots', 'commit', made, making)
        parent = [made]
      }
    },
    create: async (image, id) => void (await ctr('snapshots', 'prepare', id, top(image))),
    async mount(id) {
      mkdirSync(target(id))
      const command = await ctr('snapshots', 'mounts', target(id), id)
      await run('sh', ['-c', command])
      return { path: target(id) }
    },
    unmount: async (id) => void (await run('umount', [target(id)])),
    remove: async (id) => void (await ctr('snapshots', 'rm', id)),
    questions: {
      async tar(id) {
        const type = 'application/vnd.oci.image.layer.v1.tar'
        await ctr('snapshots', 'diff', '--media-type', type, id)
      },
    },
    async [Symbol.asyncDispose]() {
      const ended = once(daemon, 'exit')
      daemon.kill('SIGTERM')
      await ended
    },
  }
}

/** With a configuration of its own, so that it runs beside any other and leaves nothing behind. */
async function start(at: (name: string) => string) {
  const config = [
    'version = 2',
    `root = "${at('root')}"`,
    `state = "${at('state')}"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]',
    `[grpc]\n  address = "${at('socket')}"`,
  ]
  writeFileSync(at('config.toml'), config.join('\n'))
  const log = openSync(at('log'), 'a')
  const daemon = spawn('containerd', ['--config', at('config.toml')], {
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  for (let tries = 0; !existsSync(at('socket')); tries++) {
    if (daemon.exitCode !== null || tries > 100) {
      daemon.kill('SIGKILL')
      throw new Error(`containerd did not start: see ${at('log')}`)
    }
    await sleep(100)
  }
  return daemon
}
