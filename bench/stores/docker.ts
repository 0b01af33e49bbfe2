/** A Docker daemon of the bench's own; its processor time and memory count. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startDocker } from '../../interop/docker.ts'
import type { Command } from '../harness/measure.ts'
import { type Contestant, withoutZstd } from './contestant.ts'

/** @param dir where its data root goes */
export async function docker(dir: string): Promise<Contestant> {
  const root = join(dir, 'docker')
  const daemon = await startDocker(root, undefined, 'overlay2')
  const command = (...args: string[]): Command => ({
    argv: ['docker', '--host', daemon.address, ...args],
    daemonPid: daemon.pid,
  })
  return {
    name: 'docker load / save / rmi (overlay2)',
    exact: false,
    takes: withoutZstd,
    register: async ({ wrapped }) => command('load', '-q', '-i', wrapped.archive),
    export: (_, to) => command('save', '-o', to, 'x:x'),
    remove: () => command('rmi', 'x:x'),
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]()
      await rm(root, { recursive: true })
    },
  }
}
