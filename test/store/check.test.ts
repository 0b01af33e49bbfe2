/** `check`, `repair` and `gc` on damage, and beside the work of others. */
import { LayerError } from '@varve/core'
import { expect, test } from 'vitest'
import { chainsIn, emptyTarOf, memoryPlace, problemsIn } from './memory-stack.ts'

test.each(['ERR_PERMISSION', 'ERR_IO'] as const)(
  'repair sets nothing aside because of a failure to read (%s)',
  async (code) => {
    const place = memoryPlace()
    let armed: string | undefined
    await using store = await place.open({
      before(call) {
        if (call === armed) throw new LayerError(code, 'Cannot read: it failed')
      },
    })
    const base = await store.register([emptyTarOf(1)])
    await store.register([emptyTarOf(2)], { parent: base.chainID })
    await store.createRW('one', { parent: base.chainID })
    const before = await chainsIn(store)
    for (const call of ['metadata.layer', 'driver.diff', 'driver.verify']) {
      armed = call
      await using fresh = await place.open({
        before(name) {
          if (name === armed) throw new LayerError(code, 'Cannot read: it failed')
        },
      })
      const checked = Array.fromAsync(fresh.check({ full: true, repair: true }))
      await expect(checked).rejects.toMatchObject({ code })
    }
    armed = undefined
    expect(await chainsIn(store)).toEqual(before)
    expect((await Array.fromAsync(store.rwLayers())).length).toBe(1)
  },
)

test('repair sets aside the children of what it sets aside, in one go', async () => {
  const place = memoryPlace()
  await using store = await place.open()
  let parent: Parameters<typeof store.get>[0] | undefined
  const chain = []
  for (const blocks of [1, 2, 3, 4]) {
    await using layer = await store.register([emptyTarOf(blocks)], parent ? { parent } : {})
    parent = layer.chainID
    chain.push(layer)
  }
  await store.driver.remove(chain[1]?.cacheID as never)
  const found = await Array.fromAsync(store.check({ repair: true }))
  expect(found.filter(({ kind }) => kind === 'missing-parent').length).toBe(2)
  expect(await chainsIn(store)).toEqual([chain[0]?.chainID])
  expect(await problemsIn(store)).toEqual([])
})

test('check holds the layer that it reads', async () => {
  const place = memoryPlace()
  await using removing = await place.open()
  const layer = await removing.register([emptyTarOf(1)])
  let released: unknown
  await using checking = await place.open({
    async before(call) {
      if (call === 'driver.verify' && !released) released = await removing.release(layer)
    },
  })
  expect(await problemsIn(checking)).toEqual([])
  expect(released).toEqual([])
})

test('repair does not set aside what was registered anew since it looked', async () => {
  const place = memoryPlace()
  await using other = await place.open()
  const old = await other.register([emptyTarOf(1)])
  await other.driver.remove(old.cacheID)
  let again: Awaited<ReturnType<typeof other.register>> | undefined
  await using repairing = await place.open({
    async before(call) {
      if (call !== 'driver.exists' || again) return
      again = old
      await Array.fromAsync(other.check({ repair: true }))
      again = await other.register([emptyTarOf(1)])
    },
  })
  await Array.fromAsync(repairing.check({ repair: true }))
  expect(again?.cacheID).not.toBe(old.cacheID)
  expect(await other.has(old.chainID)).toBe(true)
  expect(await problemsIn(other)).toEqual([])
})

test('a layer on a damaged one keeps neither gc nor a release from their work', async () => {
  const place = memoryPlace()
  await using store = await place.open()
  await using base = await store.register([emptyTarOf(1)])
  await using top = await store.register([emptyTarOf(2)], { parent: base.chainID })
  const other = await store.register([emptyTarOf(3)])
  place.disk.damage('layer', base.chainID)
  expect(await store.release(top)).toEqual([])
  await other[Symbol.asyncDispose]()
  const removed = await store.gc({ keep: [] })
  expect(removed.map(({ chainID }) => chainID)).toEqual([other.chainID])
})

test('repair deletes no files of a read-write layer, whatever is wrong with it', async () => {
  const place = memoryPlace()
  await using store = await place.open()
  const base = await store.register([emptyTarOf(1)])
  const damaged = await store.createRW('damaged')
  const baseless = await store.createRW('baseless', { parent: base.chainID })
  place.disk.damage('mount', 'damaged')
  await store.driver.remove(base.cacheID)
  const found = await Array.fromAsync(store.check({ repair: true }))
  expect(found.map(({ subject, kind, repaired }) => [subject, kind, repaired])).toEqual([
    ['damaged', 'damaged-metadata', true],
    [base.chainID, 'missing-data', true],
    ['baseless', 'missing-parent', false],
  ])
  expect(await store.driver.exists(damaged.mountID)).toBe(true)
  expect(await store.driver.exists(baseless.mountID)).toBe(true)
  await store.register([emptyTarOf(1)])
  expect(await problemsIn(store)).toEqual([])
})

test('gc asks whether it was aborted', async () => {
  const place = memoryPlace()
  await using store = await place.open()
  const { chainID } = await store.register([emptyTarOf(1)])
  const aborted = store.gc({ keep: [], signal: AbortSignal.abort() })
  await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  expect(await store.has(chainID)).toBe(true)
})

test('a layer that was removed while the opening looked at it is not set aside', async () => {
  const place = memoryPlace()
  {
    await using store = await place.open()
    await store.register([emptyTarOf(1)], { durability: 'none' })
    await store.register([emptyTarOf(2)], { durability: 'none' })
  }
  place.disk.reboot()
  let first = true
  await using store = await place.open({
    async before(call) {
      if (call !== 'driver.diff' || !first) return
      first = false
      await using other = await place.open()
      await other.gc({ keep: [] })
    },
  })
  expect(place.disk.setAside).toEqual([])
  expect((await chainsIn(store)).length).toBe(1)
})

test('what is only unreadable at the opening after a restart is not set aside', async () => {
  const place = memoryPlace()
  {
    await using store = await place.open()
    await store.register([emptyTarOf(1)], { durability: 'none' })
  }
  place.disk.reboot()
  const opening = place.open({
    before(call) {
      if (call === 'driver.diff') throw new LayerError('ERR_LIMIT_EXCEEDED', 'Cannot read: no fds')
    },
  })
  await expect(opening).rejects.toMatchObject({ code: 'ERR_LIMIT_EXCEEDED' })
  expect(place.disk.setAside).toEqual([])
})
