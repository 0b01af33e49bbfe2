import type { Mount } from '../driver.ts'
import { cleanUp, LayerError } from '../errors.ts'
import type { CacheID, ChainID } from '../ids.ts'
import type { LayerRecord } from '../metadata.ts'
import type { Layer } from '../store.ts'
import { type CallOptions, callOptions, toStream } from '../streams.ts'
import type { StoreContext } from './context.ts'
import type { LoadedLayer } from './loaded-layer.ts'
import { notRetained, type ReferenceToken } from './references.ts'
import { layerTar } from './tar-stream.ts'

/** A reference that the store itself has on a layer while it works on it. */
export interface AcquiredLayer extends LoadedLayer {
  readonly token: ReferenceToken
  /** Gives the reference back; removes nothing. */
  drop(): Promise<void>
}

/** Takes a reference. @throws LayerError `ERR_LAYER_NOT_FOUND`, `ERR_CORRUPT_METADATA` */
export async function acquireLayer(
  ctx: StoreContext,
  id: ChainID,
  attempt: string,
  options: CallOptions = {},
): Promise<AcquiredLayer> {
  return await ctx.metadata.lock(
    'shared',
    async () => {
      await ctx.index.refresh()
      const loaded = await ctx.index.load(id, attempt)
      const token = await ctx.layerRefs.take(id)
      return { ...loaded, token, drop: () => ctx.layerRefs.drop(id, token) }
    },
    callOptions(options),
  )
}

const GIVE_BACK = 'Cannot give back layer'
const MOUNT = 'Cannot mount layer'
const TOKENS = new WeakMap<Layer, ReferenceToken>()

/** The token of a handle that {@link makeLayer} made. @throws LayerError `ERR_LAYER_NOT_RETAINED` */
export function tokenOf(layer: Layer): ReferenceToken {
  const token = TOKENS.get(layer)
  if (token === undefined) throw notRetained(`Cannot release layer ${layer.chainID}`, layer.chainID)
  return token
}

/** The handle for one reference. */
export function makeLayer(ctx: StoreContext, loaded: LoadedLayer, token: ReferenceToken): Layer {
  const { record, depth, size } = loaded
  const { chainID } = record
  const { calls } = ctx
  const acquire = async (attempt: string, options?: CallOptions): Promise<AcquiredLayer> => {
    if (!ctx.layerRefs.has(chainID, token)) throw notRetained(`${attempt} ${chainID}`, chainID)
    return await acquireLayer(ctx, chainID, `${attempt} ${chainID}`, options)
  }
  const stream = (run: Run, options?: CallOptions) =>
    toStream(calls.list(`${GIVE_BACK} ${chainID}`, retaining(acquire, run, options)))
  const layer: Layer = {
    ...record,
    depth,
    size,
    tar: (options) => stream((own) => layerTar(ctx, own, options), options),
    tarFrom: (ancestor, options) => stream((own) => tarFrom(ctx, own, ancestor, options), options),
    chain: () => calls.run(`Cannot list the chain of ${chainID}`, () => chainOf(ctx, record)),
    mount: (options) =>
      calls.mount(`${MOUNT} ${chainID}`, async () =>
        mountLayer(ctx, await acquire(MOUNT, options), options),
      ),
    [Symbol.asyncDispose]: () => calls.runIfOpen(() => ctx.layerRefs.drop(chainID, token)),
  }
  TOKENS.set(layer, token)
  return layer
}

type Run = (record: LayerRecord) => AsyncGenerator<Uint8Array>

/** Keeps the layer from being removed for as long as the generator runs. */
async function* retaining(
  acquire: (attempt: string, options?: CallOptions) => Promise<AcquiredLayer>,
  run: Run,
  options?: CallOptions,
): AsyncGenerator<Uint8Array> {
  const own = await acquire(GIVE_BACK, options)
  try {
    yield* run(own.record)
  } finally {
    await own.drop()
  }
}

async function chainOf(ctx: StoreContext, record: LayerRecord): Promise<readonly LayerRecord[]> {
  return await ctx.metadata.lock('shared', async () => {
    await ctx.index.refresh()
    const chain: LayerRecord[] = []
    for (let next: ChainID | undefined = record.chainID; next !== undefined; ) {
      const loaded: LoadedLayer = await ctx.index.load(next)
      chain.push(loaded.record)
      next = loaded.record.parent
    }
    return chain
  })
}

async function* tarFrom(
  ctx: StoreContext,
  record: LayerRecord,
  ancestor: ChainID | undefined,
  options?: CallOptions,
): AsyncGenerator<Uint8Array> {
  let from: CacheID | undefined
  if (ancestor !== undefined) {
    const found = (await chainOf(ctx, record)).find((layer) => layer.chainID === ancestor)
    if (found === undefined || found.chainID === record.chainID) {
      throw new LayerError(
        'ERR_INVALID_ARGUMENT',
        `Cannot compare layer ${record.chainID} with ${ancestor}: that is not beneath it`,
        { data: { chainID: record.chainID, ancestor } },
      )
    }
    from = found.cacheID
  }
  yield* ctx.driver.diff(record.cacheID, from, options)
}

async function mountLayer(
  ctx: StoreContext,
  own: AcquiredLayer,
  options: CallOptions = {},
): Promise<Mount> {
  try {
    const mount = await ctx.driver.mount(own.record.cacheID, {
      ...callOptions(options),
      readOnly: true,
    })
    let mounted = true
    return {
      path: mount.path,
      readOnly: true,
      async [Symbol.asyncDispose]() {
        if (!mounted) return
        mounted = false
        try {
          await mount[Symbol.asyncDispose]()
        } catch (error) {
          // Still mounted, so still in need of the layer.
          mounted = true
          throw error
        }
        await own.drop()
      },
    }
  } catch (error) {
    throw await cleanUp(error, own.drop)
  }
}
