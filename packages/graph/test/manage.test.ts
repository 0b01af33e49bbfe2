import { ancestry, findImage, type Graph, removeImage, saveV1Archive } from '@varve/graph'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { bytesOf, id, newPlace, type Place } from './support/places.ts'

const tar = tarOf([{ name: 'motd', data: 'hello' }])
const [base, middle, top] = [id('a'), id('b'), id('c')] as const

/** Three images on each other; the top is `demo:1`. */
async function openChain(): Promise<{ readonly graph: Graph } & Place> {
  const place = await newPlace()
  const graph = await place.open()
  await graph.register({ id: base, created: '2015-01-01T00:00:00Z' }, [tar])
  await graph.register({ id: middle, parent: base }, [tar])
  const json = new TextEncoder().encode(`{"parent_id":"sha256:${middle}"}`)
  await graph.register({ id: top, json }, [tar])
  await graph.tag(top, 'demo:1')
  return { ...place, graph }
}

const ids = async (graph: Graph) => [...(await graph.map()).keys()].sort()

describe('removeImage', () => {
  test('takes a tag, and with the last the image and what only it needed', async () => {
    await using bed = await openChain()
    await bed.graph.tag(top, 'demo:2')
    expect(await removeImage(bed.graph, 'demo:2')).toEqual({ untagged: ['demo:2'], deleted: [] })
    expect(await removeImage(bed.graph, 'demo:1')).toEqual({
      untagged: ['demo:1'],
      deleted: [top, middle, base],
    })
    expect(await ids(bed.graph)).toEqual([])
  })

  test('spares what has a tag, or others on it, or is kept by wish', async () => {
    await using bed = await openChain()
    await bed.graph.tag(middle, 'middle:1')
    expect((await removeImage(bed.graph, top)).deleted).toEqual([top])
    expect(await removeImage(bed.graph, 'middle:1', { keepParents: true })).toEqual({
      untagged: ['middle:1'],
      deleted: [middle],
    })
    expect(await ids(bed.graph)).toEqual([base])
  })

  test('a tag of an image that others stand on is only taken away', async () => {
    await using bed = await openChain()
    await bed.graph.tag(base, 'base:1')
    expect(await removeImage(bed.graph, 'base:1')).toEqual({ untagged: ['base:1'], deleted: [] })
    await expect(removeImage(bed.graph, base)).rejects.toMatchObject({ code: 'ERR_LAYER_IN_USE' })
    expect(await ids(bed.graph)).toHaveLength(3)
  })

  test('an id with several tags must be forced', async () => {
    await using bed = await openChain()
    await bed.graph.tag(top, 'demo:2')
    await expect(removeImage(bed.graph, top)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
    const removed = await removeImage(bed.graph, top, { force: true })
    expect(removed.untagged).toEqual(['demo:1', 'demo:2'])
    expect(await bed.graph.tags()).toEqual(new Map())
  })
})

test('images are found by tag first, then by id', async () => {
  await using bed = await openChain()
  await bed.graph.tag(base, 'abc')
  expect(await findImage(bed.graph, 'demo:1')).toEqual({ id: top, tag: 'demo:1' })
  expect(await findImage(bed.graph, 'abc')).toEqual({ id: base, tag: 'abc:latest' })
  expect(await findImage(bed.graph, 'b00')).toEqual({ id: middle, tag: undefined })
  for (const wrong of ['demo', 'demo:2', 'ffff', 'not a name']) {
    await expect(findImage(bed.graph, wrong), wrong).rejects.toMatchObject({
      code: 'ERR_IMAGE_NOT_FOUND',
    })
  }
})

test('ancestry goes down to the base', async () => {
  await using bed = await openChain()
  expect((await ancestry(bed.graph, top)).map((image) => image.id)).toEqual([top, middle, base])
})

describe('saveV1Archive', () => {
  test('writes equal bytes for equal images, each image once', async () => {
    await using bed = await openChain()
    const one = await bytesOf(saveV1Archive(bed.graph, ['demo:1', middle]))
    expect(await bytesOf(saveV1Archive(bed.graph, ['demo:1', middle]))).toBe(one)
    expect(one.split(`${base}/layer.tar`)).toHaveLength(2)
    expect(one).toContain(`{"demo":{"1":"${top}"}}`)
    // Named by digest in the graph, by id in the archive, as those who read it expect.
    expect(one).toContain(`{"id":"${top}","parent":"${middle}"}`)
  })

  test('has no tags of images that were named by id', async () => {
    await using bed = await openChain()
    const archive = await bytesOf(saveV1Archive(bed.graph, [top]))
    expect(archive).not.toContain('demo')
    expect(archive.slice(archive.indexOf('repositories')).slice(512, 515)).toBe('{}\0')
  })

  test('ends in an error when an image is missing', async () => {
    await using bed = await openChain()
    await expect(bytesOf(saveV1Archive(bed.graph, ['nope']))).rejects.toMatchObject({
      code: 'ERR_IMAGE_NOT_FOUND',
    })
    await bed.graph.delete(base, { force: true })
    await expect(bytesOf(saveV1Archive(bed.graph, [top]))).rejects.toMatchObject({
      code: 'ERR_IMAGE_NOT_FOUND',
    })
  })
})
