/** Several graphs on one directory, which are what several processes are. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { tarOf } from '@varve/testkit'
import { expect, test } from 'vitest'
import { id, newPlace } from './support/places.ts'

const tar = tarOf([{ name: 'motd', data: 'hello' }])

test('what one does, the other sees', async () => {
  await using place = await newPlace()
  const [one, two] = [await place.open(), await place.open('1.7')]
  await one.register({ id: id('a') }, [tar])
  expect((await two.get('a')).id).toBe(id('a'))
  await two.register({ id: id('b'), parent: id('a') }, [tar])
  expect(await one.hasChildren(id('a'))).toBe(true)
  await expect(one.delete('a')).rejects.toMatchObject({ code: 'ERR_LAYER_IN_USE' })
  await two.delete('b')
  await one.delete('a')
  expect(await two.map()).toEqual(new Map())
})

test('what one retains, the other does not delete, until the one is gone', async () => {
  await using place = await newPlace()
  const [one, two] = [await place.open(), await place.open()]
  await one.register({ id: id('a') }, [tar])
  await one.retain('pull', id('a'))
  expect(await two.isHeld(id('a'))).toBe(true)
  await expect(two.delete('a')).rejects.toMatchObject({ code: 'ERR_LAYER_IN_USE' })
  await one[Symbol.asyncDispose]()
  expect(await two.isHeld(id('a'))).toBe(false)
  await two.delete('a')
})

test('of many that register the same image one makes it, and all have it', async () => {
  await using place = await newPlace()
  const graphs = await Promise.all(Array.from({ length: 5 }, () => place.open()))
  const made = await Promise.all(graphs.map((graph) => graph.register({ id: id('a') }, [tar])))
  expect(new Set(made.map((image) => image.id))).toEqual(new Set([id('a')]))
  expect(readdirSync(join(made.length > 0 ? (graphs[0]?.root ?? '') : '', '_varve/locks'))).toEqual(
    [],
  )
})

test('many that register and delete at once get in nobody’s way', async () => {
  await using place = await newPlace()
  const graphs = await Promise.all([place.open(), place.open(), place.open()])
  await graphs[0]?.register({ id: id('0') }, [tar])
  await Promise.all(
    graphs.flatMap((graph, g) =>
      Array.from({ length: 8 }, async (_, i) => {
        const own = id(`${g + 1}${i}`)
        await graph.register({ id: own, parent: id('0') }, [tar])
        if (i % 2 === 0) await graph.delete(own)
      }),
    ),
  )
  for (const graph of graphs) {
    expect((await graph.map()).size).toBe(1 + 3 * 4)
    expect((await graph.byParent()).get(id('0'))).toHaveLength(3 * 4)
    expect(await graph.problems()).toEqual([])
  }
})
