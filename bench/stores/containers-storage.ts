/** skopeo with containers/storage, which is the storage of podman, buildah and CRI-O. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../interop/run.ts'
import type { Command } from '../harness/measure.ts'
import type { Contestant } from './contestant.ts'

/** @param dir where its storage goes */
export function containersStorage(dir: string): Contestant {
  const root = join(dir, 'containers-storage')
  const image = `containers-storage:[overlay@${root}/graph+${root}/run]x:x`
  const skopeo = (...args: string[]): Command => ({
    argv: ['skopeo', '--insecure-policy', ...args],
  })
  const wipe = async () => {
    await unmountStorage(join(root, 'graph'))
    await rm(root, { recursive: true, force: true })
  }
  return {
    name: 'skopeo copy / delete (containers-storage, overlay)',
    exact: false,
    takes: () => true,
    async register({ wrapped }) {
      await wipe()
      return skopeo('copy', '-q', `oci:${wrapped.layout}:x`, image)
    },
    export: (_, to) => skopeo('copy', '-q', image, `docker-archive:${to}:x:x`),
    remove: () => skopeo('delete', image),
    [Symbol.asyncDispose]: wipe,
  }
}

/** Some versions leave it mounted on itself; 32 is mount(8)'s "it was not". */
export async function unmountStorage(graph: string): Promise<void> {
  await run('umount', ['-l', join(graph, 'overlay')], { allow: [32] })
}
