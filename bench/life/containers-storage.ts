/** buildah and podman: commands on containers/storage with its overlay driver, and no daemon. */
import { join } from 'node:path'
import { run } from '../../interop/run.ts'
import { unmountStorage } from '../stores/containers-storage.ts'
import type { Contestant } from './contestant.ts'

/** What the two call things. */
const WORDS = {
  buildah: {
    create: (name: string, id: string) => ['from', '--pull-never', '--name', id, name],
    unmount: 'umount',
    remove: ['rm'],
    commit: (id: string) => ['commit', '-q', '--disable-compression', id, `made-${id}:x`],
  },
  podman: {
    create: (name: string, id: string) => ['create', '--pull=never', '--name', id, name],
    unmount: 'unmount',
    remove: ['rm'],
    commit: (id: string) => ['commit', '-q', id, `made-${id}:x`],
  },
} as const

/** @param root where its storage goes */
export function containersStorage(tool: keyof typeof WORDS, root: string): Contestant {
  const words = WORDS[tool]
  const call = async (...args: readonly string[]) => {
    const where = ['--root', join(root, 'graph'), '--runroot', join(root, 'run')]
    return (await run(tool, [...where, '--storage-driver', 'overlay', ...args])).trim()
  }
  return {
    name: tool,
    by: 'command',
    async load({ name, archive }) {
      const to = `containers-storage:[overlay@${root}/graph+${root}/run]localhost/${name}`
      await run('skopeo', ['--insecure-policy', 'copy', '-q', `docker-archive:${archive}`, to])
    },
    create: async ({ name }, id) => void (await call(...words.create(`localhost/${name}`, id))),
    mount: async (id) => ({ path: await call('mount', id) }),
    unmount: async (id) => void (await call(words.unmount, id)),
    remove: async (id) => void (await call(...words.remove, id)),
    questions: {
      commit: async (id) => void (await call(...words.commit(id))),
    },
    uncommit: async (id) => void (await call('rmi', `made-${id}:x`)),
    [Symbol.asyncDispose]: () => unmountStorage(join(root, 'graph')),
  }
}
