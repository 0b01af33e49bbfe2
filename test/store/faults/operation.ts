/**
 * One operation on the real store, for the fault tests: run in a process of its own, with a fault
 * injected at one of its calls. Prints `done` when the operation was acknowledged.
 *
 * Arguments: directory, name of the operation.
 */
import { writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { ChainID, Layer, LayerStore, Problem, RWLayer } from '@varve/core'
import { openRealStore } from '../stack.ts'
import { smallTarOf } from '../tars.ts'

/** What each operation does to a store that {@link prepare} made. */
export const OPERATIONS: Readonly<Record<string, (store: LayerStore) => Promise<() => void>>> = {
  async register(store) {
    const parent = await find(store, 1)
    await store.register(smallTarOf(3), { parent: parent.chainID })
    return acknowledge
  },
  async createRW(store) {
    const parent = await find(store, 1)
    await store.createRW('new', {
      parent: parent.chainID,
      init: (path) => writeFileSync(join(path, 'init'), 'made by init'),
    })
    return acknowledge
  },
  async release(store) {
    await store.release(await find(store, 2))
    return acknowledge
  },
  async releaseRW(store) {
    await store.releaseRW(await store.getRW('old'))
    return acknowledge
  },
  async commit(store) {
    const rw = await store.getRW('old')
    await rw.commit()
    return acknowledge
  },
  async fork(store) {
    const rw = await store.getRW('old')
    await rw.fork('copy')
    return acknowledge
  },
  async reset(store) {
    const rw = await store.getRW('old')
    await rw.reset()
    return acknowledge
  },
  async keep(store) {
    const rw = await store.getRW('old')
    await rw.mount({ keep: true })
    return acknowledge
  },
  async gc(store) {
    await store.gc({ keep: [] })
    return acknowledge
  },
  async cleanup(store) {
    await store.cleanup()
    return acknowledge
  },
  async restore(store) {
    const problems = await restore(store)
    return problems.every(({ repaired }) => repaired) ? acknowledge : () => {}
  },
}

/** Repairs the layer that {@link damage} damages. */
export async function restore(store: LayerStore): Promise<readonly Problem[]> {
  const sources = async function* () {
    yield smallTarOf(2)
  }
  return await Array.fromAsync(store.check({ full: true, repair: true, sources }))
}

/** Changes a file of the upper layer behind the store's back. */
export async function damage(root: string): Promise<void> {
  await using store = await openRealStore(root)
  await using layer = await find(store, 2)
  writeFileSync(join(root, 'vfs/dir', layer.cacheID, 'dir-2/file-0'), 'damaged')
}

function acknowledge(): void {
  writeSync(1, 'done\n')
}

/** The layer of the given depth. */
async function find(store: LayerStore, depth: number): Promise<Layer> {
  for (const record of await Array.fromAsync(store.layers())) {
    const layer = await store.get(record.chainID)
    if (layer.depth === depth) return layer
    await layer[Symbol.asyncDispose]()
  }
  throw new Error(`no layer of depth ${depth}`)
}

/** Two layers on each other, and a changed read-write layer on the lower one. */
export async function prepare(root: string): Promise<void> {
  await using store = await openRealStore(root)
  const base = await store.register(smallTarOf(1))
  await store.register(smallTarOf(2), { parent: base.chainID })
  const rw: RWLayer = await store.createRW('old', { parent: base.chainID as ChainID })
  await using mount = await rw.mount()
  writeFileSync(join(mount.path, 'dir-1/file-0'), 'changed')
}

if (process.argv[2] !== undefined && import.meta.main) {
  const [, , root, name = ''] = process.argv
  const run = OPERATIONS[name]
  if (!run) throw new Error(`no operation ${name}`)
  await using store = await openRealStore(root as string)
  const told = await run(store)
  told()
}
