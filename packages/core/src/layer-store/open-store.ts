import type { TarSplitCodec } from '../codec.ts'
import type { Driver } from '../driver.ts'
import { cleanUp, LayerError } from '../errors.ts'
import { asChainID, type ChainID } from '../ids.ts'
import type { MetadataStore } from '../metadata.ts'
import type { Layer, LayerStore } from '../store.ts'
import { Calls } from './calls.ts'
import { check } from './check.ts'
import type { StoreContext } from './context.ts'
import { syncAll } from './durability.ts'
import { KeyedMutex } from './keyed-mutex.ts'
import { LayerIndex } from './layer-index.ts'
import { acquireLayer, makeLayer } from './read-only-layer.ts'
import { createRW, getRW, requireMount } from './read-write.ts'
import { cleanup, recover } from './recovery.ts'
import { References } from './references.ts'
import { register } from './register.ts'
import { gc, release } from './release.ts'
import { releaseRW } from './release-rw.ts'
import { Uses } from './uses.ts'

/** What a store is made of. It closes all of it when it is disposed of, or fails to open. */
export interface OpenStoreOptions {
  readonly driver: Driver
  readonly metadata: MetadataStore
  /** Needed unless the driver reproduces exact diffs. */
  readonly codec?: TarSplitCodec
  /**
   * ChainIDs that something outside the store needs, as images do: asked whenever a layer might be
   * removed, under the store's lock, so it must not call the store.
   */
  readonly retained?: () => Promise<ReadonlySet<ChainID>>
  /** Told what the opening had to repair, one text each. */
  readonly onRecovered?: (what: string) => void
}

/**
 * Opens a layer store on a driver, a metadata store and a codec, finishing first what a process
 * that died in the middle of something left undone.
 *
 * Nothing is read that is not needed: opening costs the same for ten layers and ten thousand.
 *
 * @throws LayerError `ERR_INVALID_ARGUMENT` without a codec that the driver needs
 * @example
 * ```ts
 * import { emptyTar, openStore } from '@varve/core'
 * import { memoryDriver, memoryMetadata } from '@varve/testkit'
 *
 * await using store = await openStore({ driver: memoryDriver(), metadata: memoryMetadata() })
 * await using layer = await store.register([emptyTar()])
 * console.assert(layer.depth === 1)
 * ```
 */
export async function openStore(options: OpenStoreOptions): Promise<LayerStore> {
  const { driver, metadata } = options
  const exact = driver.capabilities.reproducesExactDiffs
  if (!exact && (options.codec === undefined || driver.files === undefined)) {
    throw new LayerError(
      'ERR_INVALID_ARGUMENT',
      `Cannot open a store on driver ${driver.name}: it needs a tar-split codec and files()`,
    )
  }
  const calls = new Calls()
  const ctx: StoreContext = {
    driver,
    metadata,
    codec: exact ? undefined : options.codec,
    index: new LayerIndex(metadata),
    layerRefs: new References(metadata),
    mountRefs: new References(metadata),
    mountUses: new Uses(),
    names: new KeyedMutex(),
    calls,
    retained: options.retained ?? (async () => new Set()),
  }
  const close = async (reason?: unknown): Promise<unknown> => {
    await calls.close()
    ctx.layerRefs.close()
    ctx.mountRefs.close()
    return await cleanUp(
      reason,
      () => driver[Symbol.asyncDispose](),
      () => metadata[Symbol.asyncDispose](),
    )
  }
  try {
    for (const what of await recover(ctx)) options.onRecovered?.(what)
  } catch (error) {
    throw await close(error)
  }

  let closed: Promise<unknown> | undefined
  return {
    driver,
    register: (tar, o) => calls.run('Cannot register layer', () => register(ctx, tar, o)),
    get: (id) => calls.run('Cannot open layer', () => get(ctx, id)),
    has: (id) => calls.run('Cannot look for layer', () => has(ctx, id)),
    layers: () => calls.list('Cannot list layers', iterate(metadata.layers())),
    release: (layer) => calls.run('Cannot release layer', () => release(ctx, layer)),
    createRW: (name, o) =>
      calls.run(`Cannot create read-write layer ${name}`, () => createRW(ctx, name, o)),
    getRW: (name) => calls.run(`Cannot open read-write layer ${name}`, () => getRW(ctx, name)),
    mountID: (name) =>
      calls.run(`Cannot look for read-write layer ${name}`, async () => {
        const { mountID } = await requireMount(ctx, name)
        return mountID
      }),
    rwLayers: () => calls.list('Cannot list read-write layers', iterate(metadata.mounts())),
    releaseRW: (layer) =>
      calls.run(`Cannot release read-write layer ${layer.name}`, () => releaseRW(ctx, layer)),
    sync: () => calls.run('Cannot put layers on stable storage', () => syncAll(ctx)),
    cleanup: () => calls.run('Cannot clean up', () => cleanup(ctx)),
    gc: (o) => calls.run('Cannot collect unused layers', () => gc(ctx, o)),
    check: (o) => calls.list('Cannot check the store', check(ctx, o)),
    async [Symbol.asyncDispose]() {
      closed ??= close()
      const failure = await closed
      if (failure !== undefined) throw failure
    },
  }
}

/** See `LayerStore.get`. */
async function get(ctx: StoreContext, id: ChainID): Promise<Layer> {
  const acquired = await acquireLayer(ctx, asChainID(id), 'Cannot open layer')
  return makeLayer(ctx, acquired, acquired.token)
}

/** See `LayerStore.has`. */
async function has(ctx: StoreContext, id: ChainID): Promise<boolean> {
  return await ctx.metadata.lock('shared', async () => {
    await ctx.index.refresh()
    try {
      return (await ctx.index.find(asChainID(id))) !== undefined
    } catch (error) {
      if (LayerError.is(error, 'ERR_CORRUPT_METADATA')) return false
      throw error
    }
  })
}

async function* iterate<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  yield* items
}
