/** A store asks of its driver no more layers on each other than it takes. */
import { type Layer, openStore } from '@varve/core'
import { memoryDriver, memoryMetadata } from '@varve/testkit'
import { expect, test } from 'vitest'
import { emptyTarOf, problemsIn } from './memory-stack.ts'

const TOO_DEEP = { code: 'ERR_MAX_DEPTH' }

/** A store on a driver that takes so many layers. */
async function storeOf(maxDepth: number) {
  const driver = memoryDriver()
  Object.assign(driver, { capabilities: { ...driver.capabilities, maxDepth } })
  return await openStore({ driver, metadata: memoryMetadata() })
}

test.each([3, 4, 7])('a driver of %i layers keeps two for a read-write layer', async (maxDepth) => {
  await using store = await storeOf(maxDepth)
  let top: Layer | undefined
  for (let i = 1; i <= maxDepth - 2; i++) {
    top = await store.register([emptyTarOf(i)], top ? { parent: top.chainID } : {})
  }
  const parent = top?.chainID
  if (parent === undefined) throw new Error('there is no layer')
  await expect(store.register([emptyTarOf(9)], { parent })).rejects.toMatchObject(TOO_DEEP)
  await using rw = await store.createRW('rw', { parent, init: () => {} })
  await expect(rw.commit()).rejects.toMatchObject(TOO_DEEP)
  expect(await problemsIn(store)).toEqual([])
})

test('a chain that was made when the limit was another bears what there is room for', async () => {
  const driver = memoryDriver()
  await using store = await openStore({ driver, metadata: memoryMetadata() })
  const base = await store.register([emptyTarOf(1)])
  const top = await store.register([emptyTarOf(2)], { parent: base.chainID })
  Object.assign(driver, { capabilities: { ...driver.capabilities, maxDepth: 3 } })
  const parent = top.chainID
  const init = store.createRW('init', { parent, init: () => {} })
  await expect(init).rejects.toMatchObject(TOO_DEEP)
  await store.createRW('plain', { parent })
  expect((await Array.fromAsync(store.rwLayers())).map(({ name }) => name)).toEqual(['plain'])
  expect(await problemsIn(store)).toEqual([])
})
