/**
 * Docker with overlay2: by its command, and by its API on one connection. It mounts a container's
 * layer only when it runs it, so there is no step for that; `create` makes an init layer too.
 */

import { mkdir } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { type Docker, startDocker } from '../../interop/docker.ts'
import { run } from '../../interop/run.ts'
import type { Contestant, Mounted } from './contestant.ts'

export async function dockerCommand(dir: string): Promise<Contestant> {
  const docker = await startDocker(join(dir, 'docker-command'), undefined, 'overlay2')
  return {
    ...filled(docker),
    name: 'docker (command)',
    by: 'command',
    create: async ({ name }, id) => void (await docker('create', '--name', id, name)),
    look: (id) => mountedByHand(docker, id),
    remove: async (id) => void (await docker('rm', id)),
    questions: {
      list: async (id) => void (await docker('diff', id)),
      commit: async (id) => void (await docker('commit', id, `made-${id}:x`)),
    },
    uncommit: async (id) => void (await docker('rmi', `made-${id}:x`)),
    [Symbol.asyncDispose]: () => docker[Symbol.asyncDispose](),
  }
}

export async function dockerApi(dir: string): Promise<Contestant> {
  const docker = await startDocker(join(dir, 'docker-api'), undefined, 'overlay2')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const call = (method: string, path: string, body?: unknown) =>
    new Promise<void>((resolve, reject) => {
      const sent = request(
        {
          agent,
          method,
          path,
          socketPath: docker.address.replace('unix://', ''),
          headers: { 'content-type': 'application/json' },
        },
        (response) => {
          response.setEncoding('utf8')
          let text = ''
          response.on('data', (data: string) => {
            text += data
          })
          response.on('end', () => {
            const { statusCode = 0 } = response
            if (statusCode < 300) resolve()
            else reject(new Error(`${method} ${path}: ${statusCode} ${text}`))
          })
        },
      )
      sent.on('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  return {
    ...filled(docker),
    name: 'docker (API)',
    by: 'call',
    create: ({ name }, id) => call('POST', `/containers/create?name=${id}`, { Image: name }),
    remove: (id) => call('DELETE', `/containers/${id}`),
    questions: {
      list: (id) => call('GET', `/containers/${id}/changes`),
      commit: (id) => call('POST', `/commit?container=${id}&repo=made-${id}&tag=x`, {}),
    },
    uncommit: (id) => call('DELETE', `/images/made-${id}:x`),
    async [Symbol.asyncDispose]() {
      agent.destroy()
      await docker[Symbol.asyncDispose]()
    },
  }
}

function filled(docker: Docker): Pick<Contestant, 'load' | 'put'> {
  return {
    load: async ({ archive }) => void (await docker('load', '-q', '-i', archive)),
    put: async (id, tar) => void (await docker('cp', '-q', `${tar}/.`, `${id}:/`)),
  }
}

/** As the daemon mounts it when a container runs. */
async function mountedByHand(docker: Docker, id: string): Promise<Mounted & AsyncDisposable> {
  const said = await docker('inspect', '-f', '{{json .GraphDriver.Data}}', id)
  const { LowerDir, UpperDir, WorkDir, MergedDir: path } = JSON.parse(said)
  const options = `lowerdir=${LowerDir},upperdir=${UpperDir},workdir=${WorkDir}`
  await mkdir(path, { recursive: true })
  await run('mount', ['-t', 'overlay', '-o', options, 'overlay', path])
  return { path, [Symbol.asyncDispose]: async () => void (await run('umount', [path])) }
}
