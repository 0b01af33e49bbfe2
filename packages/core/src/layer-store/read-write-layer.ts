import type { Mount } from '../driver.ts'
import type { CacheID, Digest } from '../ids.ts'
import type { MountRecord } from '../metadata.ts'
import type { RWLayer } from '../store.ts'
import { type ByteSource, type CallOptions, callOptions, toStream } from '../streams.ts'
import { parentCacheID, type StoreContext } from './context.ts'
import { notRetained, type ReferenceToken } from './references.ts'
import { register } from './register.ts'

/** What the metadata's holds call a read-write layer. */
export function mountKey(record: Pick<MountRecord, 'mountID'>): Digest {
  return `sha256:${record.mountID}`
}

/** What the store knows of a read-write layer's handle. */
export interface HandleState {
  readonly token: ReferenceToken
  /** Mounts made through this handle and not disposed of. */
  mounted: number
}

const STATES = new WeakMap<RWLayer, HandleState>()

/** @throws LayerError `ERR_LAYER_NOT_RETAINED` for a handle of another store */
export function stateOf(layer: RWLayer): HandleState {
  const state = STATES.get(layer)
  if (state === undefined) throw notRetained(layer.name)
  return state
}

/** The handle for one reference to a read-write layer. */
export function makeRWLayer(
  ctx: StoreContext,
  record: MountRecord,
  token: ReferenceToken,
): RWLayer {
  const state: HandleState = { token, mounted: 0 }
  const key = mountKey(record)
  const use = (attempt: string): void => {
    ctx.assertOpen(`${attempt} ${record.name}`)
    if (!ctx.mountRefs.has(key, token)) throw notRetained(record.name)
  }
  const layer: RWLayer = {
    ...record,
    async mount(options = {}) {
      use('Cannot mount')
      const mount = await ctx.driver.mount(record.mountID, {
        ...callOptions(options),
        ...(options.mountLabel === undefined ? {} : { mountLabel: options.mountLabel }),
      })
      return counted(mount, state)
    },
    async size(options) {
      use('Cannot measure')
      return await ctx.driver.diffSize(record.mountID, await beneath(ctx, record), options)
    },
    changes: (options) => changes(ctx, record, use, options),
    tar: (options) => toStream(tar(ctx, record, use, options)),
    async applyDiff(source: ByteSource, options) {
      use('Cannot apply a tar to')
      const parent = await beneath(ctx, record)
      await using applied = await ctx.driver.applyDiff(record.mountID, parent, source, options)
      return applied.size
    },
    async commit(options = {}) {
      use('Cannot commit')
      return await register(ctx, tar(ctx, record, use, callOptions(options)), {
        ...options,
        ...(record.parent ? { parent: record.parent } : {}),
      })
    },
    async [Symbol.asyncDispose]() {
      if (ctx.mountRefs.has(key, token)) await ctx.mountRefs.drop(key, token)
    },
  }
  STATES.set(layer, state)
  return layer
}

/** The driver layer that a read-write layer is compared with: its init layer or its parent. */
async function beneath(ctx: StoreContext, record: MountRecord): Promise<CacheID | undefined> {
  if (record.initID !== undefined) return record.initID
  return await ctx.metadata.lock('shared', async () => {
    await ctx.index.refresh()
    return await parentCacheID(ctx, record.parent)
  })
}

async function* changes(
  ctx: StoreContext,
  record: MountRecord,
  use: (attempt: string) => void,
  options?: CallOptions,
) {
  use('Cannot list the changes of')
  yield* ctx.driver.changes(record.mountID, await beneath(ctx, record), options)
}

async function* tar(
  ctx: StoreContext,
  record: MountRecord,
  use: (attempt: string) => void,
  options?: CallOptions,
) {
  use('Cannot export')
  yield* ctx.driver.diff(record.mountID, await beneath(ctx, record), options)
}

function counted(mount: Mount, state: HandleState): Mount {
  let live = true
  state.mounted += 1
  return {
    path: mount.path,
    readOnly: mount.readOnly,
    async [Symbol.asyncDispose]() {
      if (!live) return
      await mount[Symbol.asyncDispose]()
      live = false
      state.mounted -= 1
    },
  }
}
