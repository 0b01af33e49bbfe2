/** What is taken is given back: references, streams, iterators, the parts of a store. */
import { LayerError, openStore } from '@varve/core'
import { intercept, memoryDriver, memoryMetadata } from '@varve/testkit'
import { expect, test } from 'vitest'
import { chainsIn, emptyTarOf, memoryPlace, problemsIn } from './memory-stack.ts'

/** A source that says whether it was ended. */
function watched(chunks: readonly Uint8Array[]) {
  const state = { ended: false }
  async function* source() {
    try {
      yield* chunks
    } finally {
      state.ended = true
    }
  }
  return { state, source: source() }
}

test('a source is ended when the driver fails before its end', async () => {
  const store = await openStore({
    driver: memoryDriver(),
    metadata: memoryMetadata(),
  })
  await using _ = store
  const garbage = new Uint8Array(2048).fill(0x41)
  const { state, source } = watched([garbage, garbage, garbage])
  await expect(store.register(source)).rejects.toMatchObject({ code: 'ERR_INVALID_TAR' })
  expect(state.ended).toBe(true)
})

test('an abort ends a registration whose source has stalled', async () => {
  await using store = await memoryPlace().open()
  const controller = new AbortController()
  async function* stalled() {
    yield emptyTarOf(1)
    controller.abort()
    await new Promise(() => {})
  }
  const registered = store.register(stalled(), { signal: controller.signal })
  await expect(registered).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  expect(await problemsIn(store)).toEqual([])
})

test('an abort ends the waiting for the lock', async () => {
  const place = memoryPlace()
  await using store = await place.open()
  await using metadata = memoryMetadata(place.disk)
  const base = await store.register([emptyTarOf(1)])
  const free = Promise.withResolvers<void>()
  const locked = Promise.withResolvers<void>()
  const held = metadata.lock('exclusive', async () => {
    locked.resolve()
    await free.promise
  })
  await locked.promise
  const signal = AbortSignal.timeout(5)
  const options = { parent: base.chainID, signal }
  const calls = [
    store.register([emptyTarOf(2)], options),
    store.register([emptyTarOf(2)], { signal }),
    store.createRW('one', options),
    store.gc({ keep: [], signal }),
  ]
  for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  free.resolve()
  await held
  expect(await problemsIn(store)).toEqual([])
  expect(await chainsIn(store)).toEqual([base.chainID])
})

test('an aborted creation of a read-write layer leaves nothing', async () => {
  const place = memoryPlace()
  await using store = await place.open()
  const aborted = store.createRW('one', { signal: AbortSignal.abort() })
  await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  const controller = new AbortController()
  const init = () => controller.abort()
  const late = store.createRW('one', { signal: controller.signal, init })
  await expect(late).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  expect(await problemsIn(store)).toEqual([])
  await store.createRW('one')
})

test('a read-write layer that cannot be held is not listed', async () => {
  let armed = false
  const place = memoryPlace()
  await using store = await place.open({
    before(call) {
      if (armed && call === 'metadata.hold') throw new LayerError('ERR_NO_SPACE', 'Cannot hold')
    },
  })
  armed = true
  await expect(store.createRW('one')).rejects.toMatchObject({ code: 'ERR_NO_SPACE' })
  armed = false
  expect(await problemsIn(store)).toEqual([])
  await store.createRW('one')
})

test('a stream that is cancelled early keeps no reference', async () => {
  await using store = await memoryPlace().open()
  const layer = await store.register([emptyTarOf(400)])
  for (const stream of [layer.tar(), layer.tarFrom(undefined)]) {
    const reader = stream.getReader()
    await reader.read()
    await reader.cancel()
  }
  await layer.tar().cancel()
  expect(await store.release(layer)).toHaveLength(1)
})

test('a handle that was given back opens nothing', async () => {
  await using store = await memoryPlace().open()
  await using _keeps = await store.register([emptyTarOf(1)])
  const layer = await store.get(_keeps.chainID)
  await store.release(layer)
  const code = 'ERR_LAYER_NOT_RETAINED'
  await expect(layer.mount()).rejects.toMatchObject({ code })
  await expect(Array.fromAsync(layer.tar() as never)).rejects.toMatchObject({ code })
  await expect(Array.fromAsync(layer.tarFrom(undefined) as never)).rejects.toMatchObject({ code })
})

test('a handle may be disposed of twice at once, and after its store', async () => {
  const store = await memoryPlace().open()
  const layer = await store.register([emptyTarOf(1)])
  const second = await store.get(layer.chainID)
  const rw = await store.createRW('one')
  const reader = second.tar().getReader()
  await reader.read()
  await Promise.all([layer[Symbol.asyncDispose](), layer[Symbol.asyncDispose]()])
  await store[Symbol.asyncDispose]()
  await second[Symbol.asyncDispose]()
  await rw[Symbol.asyncDispose]()
  await reader.cancel()
})

test('a closed store says so, whatever is asked of it', async () => {
  const store = await memoryPlace().open()
  const layer = await store.register([emptyTarOf(1)])
  const rw = await store.createRW('one')
  await store[Symbol.asyncDispose]()
  const id = layer.chainID
  const calls: (() => Promise<unknown>)[] = [
    () => store.register([emptyTarOf(1)]),
    () => store.get(id),
    () => store.has(id),
    () => Array.fromAsync(store.layers()),
    () => store.release(layer),
    () => store.createRW('two'),
    () => store.getRW('one'),
    () => store.mountID('one'),
    () => Array.fromAsync(store.rwLayers()),
    () => store.releaseRW(rw),
    () => store.sync(),
    () => store.cleanup(),
    () => store.gc({ keep: [] }),
    () => Array.fromAsync(store.check()),
    () => Array.fromAsync(layer.tar() as never),
    () => layer.chain(),
    () => layer.mount(),
    () => rw.mount(),
    () => rw.size(),
    () => Array.fromAsync(rw.changes()),
    () => Array.fromAsync(rw.tar() as never),
    () => rw.applyDiff([emptyTarOf(1)]),
    () => rw.commit(),
  ]
  for (const call of calls) {
    await expect(call(), call.toString()).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  }
})

test('an opening that fails closes the driver and the metadata', async () => {
  const closed: string[] = []
  const watch = <T extends AsyncDisposable>(name: string, part: T): T =>
    new Proxy(part, {
      get(_, key) {
        if (key === Symbol.asyncDispose) closed.push(name)
        const value = Reflect.get(part, key)
        return typeof value === 'function' ? value.bind(part) : value
      },
    })
  const opening = openStore({
    driver: watch(
      'driver',
      intercept(memoryDriver(), (call) => {
        if (call === 'cleanup') throw new LayerError('ERR_IO', 'Cannot clean up')
      }),
    ),
    metadata: watch('metadata', memoryMetadata()),
  })
  await expect(opening).rejects.toMatchObject({ code: 'ERR_IO' })
  expect(closed).toEqual(['driver', 'metadata'])
})

test('what a failed registration could not remove is swept when the store is next opened', async () => {
  const place = memoryPlace()
  let armed = false
  {
    await using store = await place.open({
      before(call) {
        if (armed && call === 'driver.remove') throw new LayerError('ERR_IO', 'Cannot remove')
      },
    })
    armed = true
    const garbage = new Uint8Array(2048).fill(0x41)
    await expect(store.register([garbage])).rejects.toMatchObject({ code: 'ERR_INVALID_TAR' })
  }
  await using next = await place.open()
  expect(await Array.fromAsync(next.driver.list())).toEqual([])
})
