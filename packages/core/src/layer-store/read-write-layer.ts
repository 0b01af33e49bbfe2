import type { Mount } from '../driver.ts'
import { cleanUp, LayerError } from '../errors.ts'
import type { MountRecord } from '../metadata.ts'
import type { MountRWOptions, RWLayer } from '../store.ts'
import { type ByteSource, type CallOptions, callOptions, toStream } from '../streams.ts'
import type { StoreContext } from './context.ts'
import { notRetained, type ReferenceToken } from './references.ts'
import { register } from './register.ts'
import { reset } from './reset.ts'
import { beneath, mountKey, rememberToken } from './rw-record.ts'

const EXPORT = 'Cannot export'
const LIST_CHANGES = 'Cannot list the changes of'
const MOUNT = 'Cannot mount'

/**
 * The handle for one reference to a read-write layer.
 *
 * @param fork makes a copy of it, while it is in use
 */
export function makeRWLayer(
  ctx: StoreContext,
  record: MountRecord,
  token: ReferenceToken,
  fork: RWLayer['fork'],
): RWLayer {
  const { calls, driver } = ctx
  const { name, mountID } = record
  const use = (attempt: string) => beginUse(ctx, record, token, attempt)
  const call = <T>(attempt: string, run: () => Promise<T>): Promise<T> =>
    calls.run(`${attempt} ${name}`, async () => {
      await using _own = await use(attempt)
      return await run()
    })
  const layer: RWLayer = {
    ...record,
    mount: (options = {}) =>
      calls.mount(`${MOUNT} ${name}`, async () => mount(ctx, record, options, await use(MOUNT))),
    unmount: (options = {}) =>
      call('Cannot unmount', async () => {
        if (!driver.unmount) throw notKept(driver.name, `Cannot unmount ${name}`)
        return await driver.unmount(mountID, options)
      }),
    kept: () => call('Cannot look for mounts of', async () => (await driver.kept?.(mountID)) ?? []),
    size: (options) =>
      call('Cannot measure', async () =>
        driver.diffSize(mountID, await beneath(ctx, record), options),
      ),
    changes: (options) => calls.list(`${LIST_CHANGES} ${name}`, changes(ctx, record, use, options)),
    tar: (options) => toStream(calls.list(`${EXPORT} ${name}`, tar(ctx, record, use, options))),
    applyDiff: (source: ByteSource, options) =>
      call('Cannot apply a tar to', async () => {
        const parent = await beneath(ctx, record)
        await using applied = await driver.applyDiff(mountID, parent, source, options)
        return applied.size
      }),
    commit: (options = {}) =>
      call('Cannot commit', () =>
        register(ctx, tar(ctx, record, use, callOptions(options)), {
          ...options,
          ...(record.parent ? { parent: record.parent } : {}),
        }),
      ),
    fork: (copy, options = {}) => call('Cannot copy', () => fork(copy, options)),
    reset: (options = {}) =>
      calls.run(`Cannot reset ${name}`, () => reset(ctx, record, token, options)),
    [Symbol.asyncDispose]: () => calls.runIfOpen(() => ctx.mountRefs.drop(mountKey(record), token)),
  }
  rememberToken(layer, token)
  return layer
}

type BeginUse = (attempt: string) => Promise<AsyncDisposable>

/** Keeps the layer from being removed, by this process or another, until disposed of. */
async function beginUse(
  ctx: StoreContext,
  record: MountRecord,
  token: ReferenceToken,
  attempt: string,
): Promise<AsyncDisposable> {
  const key = mountKey(record)
  // In turn with a removal, which either sees the use or is seen by it.
  const own = await ctx.names.run(record.name, () =>
    ctx.metadata.lock('shared', async () => {
      if (!ctx.mountRefs.has(key, token)) {
        throw notRetained(`${attempt} ${record.name}`, record.name)
      }
      const taken = await ctx.mountRefs.take(key)
      ctx.mountUses.begin(key)
      return taken
    }),
  )
  return {
    async [Symbol.asyncDispose]() {
      ctx.mountUses.end(key)
      await ctx.mountRefs.drop(key, own)
    },
  }
}

async function* changes(
  ctx: StoreContext,
  record: MountRecord,
  use: BeginUse,
  options?: CallOptions,
) {
  await using _own = await use(LIST_CHANGES)
  yield* ctx.driver.changes(record.mountID, await beneath(ctx, record), options)
}

async function* tar(ctx: StoreContext, record: MountRecord, use: BeginUse, options?: CallOptions) {
  await using _own = await use(EXPORT)
  yield* ctx.driver.diff(record.mountID, await beneath(ctx, record), options)
}

/** Mounts for as long as the use lasts, or for longer if it is kept. */
async function mount(
  ctx: StoreContext,
  record: MountRecord,
  options: MountRWOptions,
  own: AsyncDisposable,
): Promise<Mount> {
  const { mountLabel, readOnly, keep } = options
  let made: Mount
  try {
    if (keep && !ctx.driver.unmount) {
      throw notKept(ctx.driver.name, `Cannot keep a mount of ${record.name}`)
    }
    made = await ctx.driver.mount(record.mountID, {
      ...callOptions(options),
      ...(mountLabel === undefined ? {} : { mountLabel }),
      ...(readOnly === undefined ? {} : { readOnly }),
      ...(keep === undefined ? {} : { keep }),
    })
  } catch (error) {
    throw await cleanUp(error, () => own[Symbol.asyncDispose]())
  }
  const mounted = used(made, own)
  if (!keep) return mounted
  // It is kept from here on, whatever this process does.
  await mounted[Symbol.asyncDispose]()
  return { path: made.path, readOnly: made.readOnly, async [Symbol.asyncDispose]() {} }
}

function notKept(driver: string, attempt: string): LayerError {
  return new LayerError(
    'ERR_NOT_SUPPORTED',
    `${attempt}: with the ${driver} driver mounts end with their process`,
  )
}

/** A mount whose end is the end of the use. */
function used(mount: Mount, own: AsyncDisposable): Mount {
  let live = true
  return {
    path: mount.path,
    readOnly: mount.readOnly,
    async [Symbol.asyncDispose]() {
      if (!live) return
      live = false
      try {
        await mount[Symbol.asyncDispose]()
      } catch (error) {
        live = true
        throw error
      }
      await own[Symbol.asyncDispose]()
    },
  }
}
