/** Closing a store: what has begun is done, what has not is refused, nothing ends short unnoticed. */
import { tarOf } from '@varve/testkit'
import { expect, test } from 'vitest'
import { chainsIn, emptyTarOf, memoryPlace, problemsIn } from './memory-stack.ts'

const CLOSED = { code: 'ERR_CLOSED' }
const TAR = tarOf([{ name: 'file', data: 'content' }])

/** A source that waits in the middle until it is told to go on. */
function paused(bytes: Uint8Array) {
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  async function* source() {
    yield bytes.subarray(0, 512)
    begun.resolve()
    await goOn.promise
    yield bytes.subarray(512)
  }
  return { source: source(), begun: begun.promise, goOn: goOn.resolve }
}

test('a registration under way is finished first, and new calls are refused meanwhile', async () => {
  const place = memoryPlace()
  const store = await place.open()
  const base = await store.register([emptyTarOf(1)])
  const { source, begun, goOn } = paused(TAR)
  const registered = store.register(source)
  await begun
  const closing = store[Symbol.asyncDispose]()
  const again = store[Symbol.asyncDispose]()
  for (const call of [
    () => store.register([TAR]),
    () => store.get(base.chainID),
    () => base.mount(),
    () => base.chain(),
    () => store.createRW('one'),
    () => store.release(base),
    () => Array.fromAsync(store.layers()),
    () => Array.fromAsync(store.check()),
  ]) {
    await expect(call(), call.toString()).rejects.toMatchObject(CLOSED)
  }
  // Nothing has a hold on anything any more, so there is nothing to give back.
  await base[Symbol.asyncDispose]()
  goOn()
  const { chainID } = await registered
  await Promise.all([closing, again])

  await using reopened = await place.open()
  expect(await chainsIn(reopened)).toContain(chainID)
  expect(await problemsIn(reopened)).toEqual([])
})

test('a call that calls others of the store inside itself is finished too', async () => {
  const place = memoryPlace()
  const step = { begun: () => {}, goOn: Promise.resolve() }
  const store = await place.open({
    before: (call) => {
      if (call !== 'driver.diff') return undefined
      step.begun()
      return step.goOn
    },
  })
  const base = await store.register([TAR])
  const rw = await store.createRW('one', { parent: base.chainID })
  await rw.applyDiff([tarOf([{ name: 'more', data: 'more' }])])
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  Object.assign(step, { begun: begun.resolve, goOn: goOn.promise })
  const committed = rw.commit()
  await begun.promise
  const closing = store[Symbol.asyncDispose]()
  goOn.resolve()
  expect((await committed).parent).toBe(base.chainID)
  await closing
})

test('an abort ends what the closing waits for', async () => {
  const place = memoryPlace()
  const store = await place.open()
  const controller = new AbortController()
  const { source, begun } = paused(TAR)
  const registered = store.register(source, { signal: controller.signal })
  const failed = expect(registered).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  await begun
  const closing = store[Symbol.asyncDispose]()
  controller.abort()
  await Promise.all([failed, closing])
  await using reopened = await place.open()
  expect(await chainsIn(reopened)).toEqual([])
})

test('a stream that was not read to its end fails, rather than ends, and holds nothing', async () => {
  const place = memoryPlace()
  const calls: string[] = []
  const store = await place.open({
    before: (call) => {
      calls.push(call)
    },
  })
  const layer = await store.register([TAR])
  const [read, unread] = [layer.tar(), layer.tar()].map((stream) => stream.getReader())
  expect((await read?.read())?.done).toBe(false)
  // From here on it is only the stream that holds the layer.
  await layer[Symbol.asyncDispose]()
  const listing = store.layers()[Symbol.asyncIterator]()
  await listing.next()
  await store[Symbol.asyncDispose]()
  expect(calls.at(-1)).toBe('metadata.unhold')
  await expect(read?.read()).rejects.toMatchObject(CLOSED)
  await expect(unread?.read()).rejects.toMatchObject(CLOSED)
  await expect(listing.next()).rejects.toMatchObject(CLOSED)
})

test('a mount that outlives the store is disposed of without an error', async () => {
  const place = memoryPlace()
  const store = await place.open()
  const layer = await store.register([TAR])
  const mounts = [await layer.mount(), await (await store.createRW('one')).mount()]
  await store[Symbol.asyncDispose]()
  for (const mount of mounts) await mount[Symbol.asyncDispose]()
  await using reopened = await place.open()
  await reopened.releaseRW(await reopened.getRW('one'))
  expect(await problemsIn(reopened)).toEqual([])
})
