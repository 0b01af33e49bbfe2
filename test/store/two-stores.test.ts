/** What one process does at the very moment when it would hurt another. */
import { type ChainID, LayerError } from '@varve/core'
import { expect, test } from 'vitest'
import { chainsIn, emptyTarOf, memoryPlace, problemsIn } from './memory-stack.ts'

test('a layer that becomes an image while another process releases it stays', async () => {
  const place = memoryPlace()
  await using loading = await place.open()
  const held = await loading.register([emptyTarOf(1)])
  const images = new Set<ChainID>()
  await using releasing = await place.open({
    async retained() {
      const seen = new Set(images)
      // The image is published after the images were read, and its layer let go of.
      images.add(held.chainID)
      await held[Symbol.asyncDispose]()
      return seen
    },
  })
  await releasing.release(await releasing.get(held.chainID))
  await releasing.gc({ keep: images })
  expect(await chainsIn(releasing)).toEqual([held.chainID])
})

test('cleanup leaves alone what another process begins to make meanwhile', async () => {
  const place = memoryPlace()
  await using registering = await place.open()
  let filling: Promise<unknown> = Promise.resolve()
  let started = false
  const source = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  async function* tar() {
    begun.resolve()
    await source.promise
    yield emptyTarOf(1)
  }
  await using cleaning = await place.open({
    async before(call) {
      if (call !== 'metadata.layers' || started) return
      started = true
      filling = registering.register(tar())
      await begun.promise
    },
  })
  expect(await cleaning.cleanup()).toEqual([])
  source.resolve()
  await filling
  expect(await problemsIn(cleaning)).toEqual([])
})

test('a read-write layer whose mount is another handle’s is in use', async () => {
  const place = memoryPlace()
  await using store = await place.open()
  const first = await store.createRW('one')
  const second = await store.getRW('one')
  const mount = await first.mount()
  expect(await store.releaseRW(first)).toEqual([])
  await expect(store.releaseRW(second)).rejects.toMatchObject({ code: 'ERR_MOUNT_IN_USE' })
  await mount[Symbol.asyncDispose]()
  await store.releaseRW(second)
  await expect(store.getRW('one')).rejects.toMatchObject({ code: 'ERR_MOUNT_NOT_FOUND' })
})

test('a read-write layer stays in use by its mount when its handle is disposed of', async () => {
  const place = memoryPlace()
  await using mounting = await place.open()
  await using removing = await place.open()
  const handle = await mounting.createRW('one')
  const mount = await handle.mount()
  await handle[Symbol.asyncDispose]()
  const other = await removing.getRW('one')
  await expect(removing.releaseRW(other)).rejects.toMatchObject({ code: 'ERR_MOUNT_IN_USE' })
  await mount[Symbol.asyncDispose]()
  await removing.releaseRW(other)
})

test('a read-write layer is not removed while its tar is read', async () => {
  const place = memoryPlace()
  await using store = await place.open()
  const rw = await store.createRW('one')
  const reader = rw.tar().getReader()
  await reader.read()
  await expect(store.releaseRW(rw)).rejects.toMatchObject({ code: 'ERR_MOUNT_IN_USE' })
  await reader.cancel()
  await store.releaseRW(rw)
})

test('a release never removes what has taken the name of its read-write layer', async () => {
  const place = memoryPlace()
  await using releasing = await place.open()
  await using other = await place.open()
  const old = await releasing.createRW('one')
  await other.driver.remove(old.mountID)
  await Array.fromAsync(other.check({ repair: true }))
  const next = await other.createRW('one')
  await releasing.releaseRW(old)
  expect(await other.mountID('one')).toBe(next.mountID)
  expect(await other.driver.exists(next.mountID)).toBe(true)
})

test('full durability is kept for a layer that was registered before with less', async () => {
  const place = memoryPlace()
  await using lazy = await place.open()
  await using careful = await place.open()
  const tar = [emptyTarOf(1)]
  await lazy.register(tar, { durability: 'none' })
  let synced = 0
  await using counting = await place.open({
    before: (call) => void (call === 'metadata.markSynced' && synced++),
  })
  await counting.register(tar, { durability: 'full' })
  expect(synced).toBe(1)
  await careful[Symbol.asyncDispose]()
})

test('sync holds the layers that it puts on stable storage', async () => {
  const place = memoryPlace()
  await using removing = await place.open()
  const layer = await removing.register([emptyTarOf(1)], { durability: 'deferred' })
  let removed: unknown
  await using syncing = await place.open({
    async before(call) {
      if (call === 'driver.sync') removed = await removing.release(layer)
    },
  })
  await syncing.sync()
  expect(removed).toEqual([])
})

test('a registration whose parent was replaced meanwhile is refused, and can be repeated', async () => {
  const place = memoryPlace()
  await using registering = await place.open()
  await using repairing = await place.open()
  const parent = await registering.register([emptyTarOf(1)])
  async function* tar() {
    await repairing.driver.remove(parent.cacheID)
    await Array.fromAsync(repairing.check({ repair: true }))
    await repairing.register([emptyTarOf(1)])
    yield emptyTarOf(2)
  }
  const options = { parent: parent.chainID }
  await expect(registering.register(tar(), options)).rejects.toSatisfy((error) =>
    LayerError.is(error),
  )
  expect(await problemsIn(repairing)).toEqual([])
  await registering.register([emptyTarOf(2)], options)
})
