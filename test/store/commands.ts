import { type ChainID, type Layer, LayerError, type LayerStore, type RWLayer } from '@varve/core'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { StoreModel } from './model.ts'

/** The store under test and what the test holds of it. */
export interface Real {
  store: LayerStore
  readonly layers: Layer[]
  readonly mounts: RWLayer[]
  /** Closes the store properly, or as SIGKILL would, and opens it again. */
  restart(how: 'close' | 'crash'): Promise<LayerStore>
}

type Step = fc.AsyncCommand<StoreModel, Real>

/** A command whose text names it and whose effect is compared with the model's. */
function step(text: string, run: (model: StoreModel, real: Real) => Promise<void>): Step {
  return {
    check: () => true,
    async run(model, real) {
      await run(model, real)
      await compare(model, real)
    },
    toString: () => text,
  }
}

async function compare(model: StoreModel, real: Real): Promise<void> {
  const layers = (await Array.fromAsync(real.store.layers())).map((layer) => layer.chainID)
  expect(layers.sort()).toEqual([...model.layers.keys()].sort())
  const mounts = (await Array.fromAsync(real.store.rwLayers())).map((mount) => mount.name)
  expect(mounts.sort()).toEqual([...model.mounts.keys()].sort())
  const driverLayers = await Array.fromAsync(real.store.driver.list())
  expect(driverLayers).toHaveLength(layers.length + mounts.length)
}

function pick<T>(list: readonly T[], n: number): T | undefined {
  return list[n % Math.max(1, list.length)]
}

const register = (n: number, tar: Uint8Array) =>
  step(`register(${n}, ${tar[0]})`, async (model, real) => {
    const parent = n % 4 === 0 ? undefined : pick(real.layers, n)?.chainID
    const layer = await real.store.register([tar], parent ? { parent } : {})
    real.layers.push(layer)
    expect(layer.chainID).toBe(model.register(parent, tar))
  })

const get = (n: number) =>
  step(`get(${n})`, async (model, real) => {
    const id = pick([...model.layers.keys()], n)
    if (id === undefined) return
    real.layers.push(await real.store.get(id))
    model.take(id)
  })

const getUnknown = () =>
  step('getUnknown', async (_model, real) => {
    const id = `sha256:${'0'.repeat(64)}` as ChainID
    await expect(real.store.get(id)).rejects.toMatchObject({ code: 'ERR_LAYER_NOT_FOUND' })
  })

const release = (n: number) =>
  step(`release(${n})`, async (model, real) => {
    const layer = pick(real.layers, n)
    if (layer === undefined) return
    real.layers.splice(real.layers.indexOf(layer), 1)
    const removed = await real.store.release(layer)
    expect(removed.map((r) => r.chainID)).toEqual(model.release(layer.chainID))
    await expect(real.store.release(layer)).rejects.toMatchObject({
      code: 'ERR_LAYER_NOT_RETAINED',
    })
  })

const dispose = (n: number) =>
  step(`dispose(${n})`, async (model, real) => {
    const layer = pick(real.layers, n)
    if (layer === undefined) return
    real.layers.splice(real.layers.indexOf(layer), 1)
    await layer[Symbol.asyncDispose]()
    await layer[Symbol.asyncDispose]()
    model.dispose(layer.chainID)
  })

const createRW = (n: number) =>
  step(`createRW(${n})`, async (model, real) => {
    const name = `rw-${n % 3}`
    const parent = n % 5 === 0 ? undefined : pick(real.layers, n)?.chainID
    const made = real.store.createRW(name, parent ? { parent } : {})
    if (model.mounts.has(name)) {
      await expect(made).rejects.toMatchObject({ code: 'ERR_MOUNT_NAME_CONFLICT' })
      return
    }
    real.mounts.push(await made)
    model.mounts.set(name, parent)
  })

const fork = (n: number) =>
  step(`fork(${n})`, async (model, real) => {
    const name = `rw-${n % 3}`
    const from = pick(real.mounts, n)
    if (from === undefined) return
    const made = from.fork(name)
    if (model.mounts.has(name)) {
      await expect(made).rejects.toMatchObject({ code: 'ERR_MOUNT_NAME_CONFLICT' })
      return
    }
    real.mounts.push(await made)
    model.mounts.set(name, model.mounts.get(from.name))
  })

const reset = (n: number) =>
  step(`reset(${n})`, async (_model, real) => {
    await pick(real.mounts, n)?.reset()
  })

const getRW = (n: number) =>
  step(`getRW(${n})`, async (model, real) => {
    const name = `rw-${n % 3}`
    try {
      real.mounts.push(await real.store.getRW(name))
      expect(model.mounts.has(name)).toBe(true)
    } catch (error) {
      if (!LayerError.is(error, 'ERR_MOUNT_NOT_FOUND')) throw error
      expect(model.mounts.has(name)).toBe(false)
    }
  })

const releaseRW = (n: number) =>
  step(`releaseRW(${n})`, async (model, real) => {
    const mount = pick(real.mounts, n)
    if (mount === undefined) return
    real.mounts.splice(real.mounts.indexOf(mount), 1)
    const removed = (await real.store.releaseRW(mount)).map((r) => r.chainID)
    const last = !real.mounts.some((other) => other.name === mount.name)
    expect(removed).toEqual(last ? model.releaseRW(mount.name) : [])
  })

const gc = (n: number) =>
  step(`gc(${n})`, async (model, real) => {
    const kept = pick([...model.layers.keys()], n)
    const keep = new Set(kept ? [kept] : [])
    const planned = await real.store.gc({ keep, dryRun: true })
    const removed = await real.store.gc({ keep })
    expect(removed).toEqual(planned)
    expect(new Set(removed.map((r) => r.chainID))).toEqual(model.gc(keep))
  })

const restart = (how: 'close' | 'crash') =>
  step(how, async (model, real) => {
    real.store = await real.restart(how)
    real.layers.length = 0
    real.mounts.length = 0
    model.restart()
  })

/** Random histories of one store. */
export function histories(tars: readonly Uint8Array[], maxCommands: number) {
  const n = fc.nat(99)
  return fc.commands(
    [
      fc.tuple(n, fc.constantFrom(...tars)).map(([a, tar]) => register(a, tar)),
      n.map(get),
      fc.constant(getUnknown()),
      n.map(release),
      n.map(dispose),
      n.map(createRW),
      n.map(fork),
      n.map(reset),
      n.map(getRW),
      n.map(releaseRW),
      n.map(gc),
      fc.constantFrom('close' as const, 'crash' as const).map(restart),
    ],
    { maxCommands, size: 'max' },
  )
}
