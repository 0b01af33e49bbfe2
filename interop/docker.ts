/**
 * A Docker daemon of our own: its own roots and socket, no network, no iptables, so that it runs
 * beside any other and leaves nothing behind.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from './run.ts'

/** A running daemon; disposing of it stops it, and its data root stays. */
export interface Docker extends AsyncDisposable {
  /** As `image/` and `vfs/` are found in. */
  readonly dataRoot: string
  /** The storage driver. */
  readonly driver: string
  /** For programs that take a daemon's address. */
  readonly address: string
  /** The daemon's process, whose processor time belongs to what it was asked for. */
  readonly pid: number
  /** Runs the `docker` command on it. */
  (...args: string[]): Promise<string>
}

/**
 * Starts dockerd, with the vfs driver unless another is given.
 *
 * @param dir where its socket, log and process file go, and its data root, unless another is given
 */
export async function startDocker(
  dir: string,
  dataRoot: string = join(dir, 'data'),
  driver = 'vfs',
): Promise<Docker> {
  await mkdir(dir, { recursive: true })
  const address = `unix://${join(dir, 'docker.sock')}`
  const log = openSync(join(dir, 'dockerd.log'), 'a')
  const daemon = spawn(
    'dockerd',
    [
      '--iptables=false',
      '--bridge=none',
      `--storage-driver=${driver}`,
      `--data-root=${dataRoot}`,
      `--exec-root=${join(dir, 'exec')}`,
      `--pidfile=${join(dir, 'docker.pid')}`,
      `--host=${address}`,
    ],
    { stdio: ['ignore', log, log] },
  )
  closeSync(log)
  const exited = once(daemon, 'exit')
  const client = (...args: string[]) => run('docker', ['--host', address, ...args])

  for (let tries = 0; !existsSync(join(dir, 'docker.sock')) || !(await answers(client)); tries++) {
    if (daemon.exitCode !== null || tries > 600) {
      daemon.kill('SIGKILL')
      throw new Error(`dockerd did not start: ${readFileSync(join(dir, 'dockerd.log'), 'utf8')}`)
    }
    await sleep(100)
  }
  return Object.assign(client, {
    dataRoot,
    driver,
    address,
    pid: daemon.pid as number,
    async [Symbol.asyncDispose]() {
      daemon.kill('SIGTERM')
      await exited
    },
  })
}

async function answers(client: (...args: string[]) => Promise<string>): Promise<boolean> {
  return client('version').then(
    () => true,
    () => false,
  )
}

/**
 * Makes an image from another by changing files in a container's own layer, as a process in the
 * container would; so no container has to run.
 *
 * @param edit is given the root of the container's files
 */
export async function commitEdited(
  docker: Docker,
  from: string,
  to: string,
  edit: (root: string) => Promise<void>,
): Promise<void> {
  const container = (await docker('create', from, 'true')).trim()
  const mounts = join(docker.dataRoot, 'image', docker.driver, 'layerdb/mounts')
  const id = await readFile(join(mounts, container, 'mount-id'), 'utf8')
  if (docker.driver === 'vfs') await edit(join(docker.dataRoot, 'vfs/dir', id))
  else await editOverlay(join(docker.dataRoot, docker.driver), id, edit)
  await docker('commit', container, to)
  await docker('rm', container)
}

/** As the daemon mounts it when a container runs. */
async function editOverlay(
  home: string,
  id: string,
  edit: (root: string) => Promise<void>,
): Promise<void> {
  const lower = await readFile(join(home, id, 'lower'), 'utf8')
  const merged = join(home, id, 'merged')
  const options = `lowerdir=${lower},upperdir=${id}/diff,workdir=${id}/work`
  await mkdir(merged, { recursive: true })
  await run('mount', ['-t', 'overlay', '-o', options, 'overlay', merged], { cwd: home })
  try {
    await edit(merged)
  } finally {
    await run('umount', [merged])
  }
}
