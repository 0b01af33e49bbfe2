/** varve: as a library, and as a command. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Layer, Mount, RWLayer } from '@varve/core'
import { open } from 'varve'
import { run } from '../../interop/run.ts'
import type { BenchImage } from '../inputs/images.ts'
import { builtCommand } from '../stores/varve.ts'
import type { Contestant } from './contestant.ts'

/** What an open layer has here. */
interface Held {
  readonly layer: RWLayer
  mount?: Mount
  committed?: Layer
}

/** Calls in this process, on a store that is open. */
export async function varveLibrary(root: string, driver: string): Promise<Contestant> {
  const opened = await open({ root, driver })
  const { store, images } = opened
  const held = new Map<string, Held>()
  const get = (id: string): Held => {
    const found = held.get(id)
    if (!found) throw new Error(`no layer ${id}`)
    return found
  }
  const tops = new Map<string, Layer['chainID']>()
  return {
    name: `varve, ${driver} (library)`,
    by: 'call',
    async load({ name, archive }) {
      for (const { chainID } of await images.load(archive)) if (chainID) tops.set(name, chainID)
    },
    async create({ name }, id) {
      const parent = tops.get(name)
      if (!parent) throw new Error(`${name} was not loaded`)
      held.set(id, { layer: await store.createRW(id, { parent }) })
    },
    async mount(id) {
      const one = get(id)
      one.mount = await one.layer.mount()
      return one.mount
    },
    async unmount(id) {
      await get(id).mount?.[Symbol.asyncDispose]()
    },
    async remove(id) {
      await store.releaseRW(get(id).layer)
      held.delete(id)
    },
    questions: {
      async list(id) {
        for await (const _ of get(id).layer.changes());
      },
      async tar(id) {
        for await (const _ of get(id).layer.tar() as AsyncIterable<Uint8Array>);
      },
      async commit(id) {
        const one = get(id)
        one.committed = await one.layer.commit()
      },
    },
    async uncommit(id) {
      const { committed } = get(id)
      if (committed) await store.release(committed)
    },
    [Symbol.asyncDispose]: () => opened.close(),
  }
}

/** The built command, as users run it; the start of Node is in every step. */
export async function varveCommand(root: string, driver: string): Promise<Contestant> {
  const bin = builtCommand()
  await mkdir(root, { recursive: true })
  const varve = async (...args: string[]) => {
    const how = [bin, '--root', root, '--driver', driver, '--no-progress']
    return (await run(process.execPath, [...how, ...args])).trim()
  }
  return {
    name: `varve, ${driver} (command)`,
    by: 'command',
    load: async ({ archive }: BenchImage) => void (await varve('load', archive)),
    create: async ({ name }, id) => void (await varve('create', '--name', id, name)),
    mount: async (id) => ({ path: await varve('mount', id) }),
    unmount: async (id) => void (await varve('umount', id)),
    remove: async (id) => void (await varve('rm', id)),
    questions: {
      list: async (id) => void (await varve('diff', id)),
      tar: async (id) => void (await varve('diff', '-o', join(root, 'diff.tar'), id)),
      commit: async (id) => void (await varve('commit', '-q', '-t', `made-${id}:x`, id)),
    },
    uncommit: async (id) => void (await varve('rm', `made-${id}:x`)),
    async [Symbol.asyncDispose]() {},
  }
}
