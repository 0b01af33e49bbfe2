/** The cases of Docker's `graph_test.go`, and every method of its graph, on several drivers. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { asCacheID, digestOf, type ProgressEvent } from '@varve/core'
import { bufferToFile, type Graph } from '@varve/graph'
import { tarOf } from '@varve/testkit'
import { expect, test } from 'vitest'
import { onEachDriver } from './support/each-driver.ts'
import { bytesOf, id, newPlace } from './support/places.ts'

/** What images are made of on a driver: Windows keeps its files in a directory of the layer. */
function makers(kind: string) {
  const files = kind === 'windows' ? 'Files/' : ''
  const fakeTar = tarOf([
    ...(files === '' ? [] : [{ name: files }]),
    { name: `${files}etc/` },
    { name: `${files}etc/postgres.conf`, data: 'Hello world!\n' },
    { name: `${files}var/` },
    { name: `${files}var/log`, data: 'x' },
  ])
  const create = (graph: Graph, more: Parameters<Graph['create']>[1] = {}) =>
    graph.create([fakeTar], { comment: 'Testing', author: 'me', ...more })
  /** Makes an image on another. */
  const onTop = (graph: Graph, parent: string) =>
    create(graph, { containerID: 'c', containerImage: parent, containerConfig: { Cmd: ['run'] } })
  return { fakeTar, create, onTop, files }
}

onEachDriver('on', (kind) => {
  const { fakeTar, create, onTop, files } = makers(kind)

  test('an image’s layer can be mounted', async () => {
    await using place = await newPlace(kind)
    const driver = await place.driver()
    const graph = await place.open('1.9', { driver })
    const image = await create(graph)
    await using mount = await driver.mount(asCacheID(image.id), { readOnly: true })
    expect(readFileSync(join(mount.path, files, 'etc/postgres.conf'), 'utf8')).toBe(
      'Hello world!\n',
    )
  })

  test('a new graph is an empty directory for its owner only', async () => {
    await using place = await newPlace(kind)
    const graph = await place.open()
    expect(statSync(graph.root).mode & 0o777).toBe(0o700)
    expect(await graph.map()).toEqual(new Map())
  })

  test('a registration that was interrupted by a bad tar leaves nothing, and can be tried again', async () => {
    await using place = await newPlace(kind)
    const driver = await place.driver()
    const graph = await place.open('1.9', { driver })
    const image = { id: id('ab'), comment: 'again' }
    // In the middle of the last header.
    const half = fakeTar.subarray(0, -2000)
    await expect(graph.register(image, [half])).rejects.toMatchObject({ code: 'ERR_TRUNCATED' })
    expect(await graph.exists(image.id)).toBe(false)
    expect(await driver.exists(asCacheID(image.id))).toBe(false)
    expect(readdirSync(join(graph.root, '_tmp'))).toEqual([])
    await graph.register(image, [fakeTar])
    expect((await graph.get(image.id)).document.comment).toBe('again')
  })

  test('create fills in what an image needs, and get finds it by its beginning', async () => {
    await using place = await newPlace(kind)
    const graph = await place.open()
    const before = Date.now()
    const made = await create(graph, { config: { Cmd: ['sh'] } })
    expect(made.id).toMatch(/^[a-f0-9]{64}$/)
    expect(made.size).toBe(14)
    expect(made.parent).toBeUndefined()
    const { document } = await graph.get(made.id.slice(0, 10))
    expect(document).toMatchObject({
      id: made.id,
      comment: 'Testing',
      author: 'me',
      config: { Cmd: ['sh'] },
      docker_version: '1.9.1',
      os: process.platform,
    })
    expect(Date.parse(document.created ?? '')).toBeGreaterThanOrEqual(before - 1)
    expect(document).not.toHaveProperty('container')
    const child = await onTop(graph, made.id)
    expect((await graph.get(child.id)).document).toMatchObject({
      parent: made.id,
      container: 'c',
      container_config: { Cmd: ['run'] },
    })
  })

  test('register takes an image as it is, its layer compressed or not', async () => {
    await using place = await newPlace(kind)
    const graph = await place.open()
    const json = new TextEncoder().encode(`{"id":"${id('12')}",  "unknown": 1.0}`)
    await graph.register({ id: id('12'), json }, [gzipSync(fakeTar)])
    expect(Buffer.from(await graph.rawJSON(id('12')))).toEqual(Buffer.from(json))
    expect(await bytesOf(graph.tarLayer('12'))).toBe(Buffer.from(fakeTar).toString('latin1'))
    expect([...(await graph.map()).keys()]).toEqual([id('12')])
  })

  test('an image without a layer is as its parent', async () => {
    await using place = await newPlace(kind)
    const driver = await place.driver()
    const graph = await place.open('1.9', { driver })
    const base = await create(graph)
    const empty = await graph.register({ id: id('e'), parent: base.id })
    expect(empty.size).toBe(0)
    await using mount = await driver.mount(asCacheID(empty.id))
    expect(existsSync(join(mount.path, files, 'etc/postgres.conf'))).toBe(true)
  })

  test('delete takes a beginning, and only one that is of one image', async () => {
    await using place = await newPlace(kind)
    const driver = await place.driver()
    const graph = await place.open('1.9', { driver })
    const image = await create(graph)
    await graph.register({ id: id('77a') })
    await graph.register({ id: id('77b') })
    await expect(graph.delete('77')).rejects.toMatchObject({ code: 'ERR_AMBIGUOUS_ID' })
    await graph.delete(image.id.slice(0, 12))
    expect(await graph.exists(image.id)).toBe(false)
    expect(await driver.exists(asCacheID(image.id))).toBe(false)
    expect([...(await graph.map()).keys()].sort()).toEqual([id('77a'), id('77b')])
  })

  test('delete twice, and by a wrong name, says that there is no such image', async () => {
    await using place = await newPlace(kind)
    const graph = await place.open()
    const image = await create(graph)
    await graph.delete(image.id)
    const again = await graph.delete(image.id).catch((error: unknown) => error)
    expect(graph.isNotExist(again, image.id)).toBe(true)
    expect(graph.isNotExist(again, id('9'))).toBe(false)
    await expect(graph.delete('nope')).rejects.toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' })
    await expect(graph.delete('')).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    // The same id may come again.
    await graph.register({ id: image.id }, [fakeTar])
    expect(await graph.exists(image.id)).toBe(true)
  })

  test('byParent, hasChildren and heads tell who stands on whom', async () => {
    await using place = await newPlace(kind)
    const graph = await place.open()
    const base = await create(graph)
    const [one, two] = [await onTop(graph, base.id), await onTop(graph, base.id)]
    const byParent = await graph.byParent()
    expect([...byParent.keys()]).toEqual([base.id])
    expect(
      byParent
        .get(base.id)
        ?.map((image) => image.id)
        .sort(),
    ).toEqual([one.id, two.id].sort())
    expect([...(await graph.heads()).keys()].sort()).toEqual([one.id, two.id].sort())
    expect(await graph.hasChildren(base.id)).toBe(true)
    await graph.delete(one.id)
    expect(await graph.hasChildren(base.id)).toBe(true)
    await graph.delete(two.id)
    expect(await graph.hasChildren(base.id)).toBe(false)
    expect([...(await graph.heads()).keys()]).toEqual([base.id])
  })

  test('an image that others stand on is deleted only by force', async () => {
    await using place = await newPlace(kind)
    const graph = await place.open()
    const base = await create(graph)
    const child = await onTop(graph, base.id)
    await expect(graph.delete(base.id)).rejects.toMatchObject({ code: 'ERR_LAYER_IN_USE' })
    await graph.delete(base.id, { force: true })
    expect(await graph.problems()).toMatchObject([{ kind: 'missing-parent', id: child.id }])
  })

  test('what is retained is not deleted until all sessions have released it', async () => {
    await using place = await newPlace(kind)
    const graph = await place.open()
    const image = await create(graph)
    await graph.retain('pull', image.id)
    await graph.retain('build', image.id, id('5'))
    await graph.release('pull', image.id)
    expect([await graph.isHeld(image.id), await graph.isHeld(id('5'))]).toEqual([true, true])
    await expect(graph.delete(image.id)).rejects.toMatchObject({ code: 'ERR_LAYER_IN_USE' })
    await graph.release('build', image.id, id('5'))
    await graph.release('build', image.id)
    expect([await graph.isHeld(image.id), await graph.isHeld(id('5'))]).toEqual([false, false])
    await graph.delete(image.id)
  })

  test('a temporary archive is the layer, read once; progress is told', async () => {
    await using place = await newPlace(kind)
    const graph = await place.open()
    const image = await create(graph)
    const phases = new Set<string>()
    const onProgress = (event: ProgressEvent) => phases.add(event.phase + event.id)
    const archive = await graph.tempLayerArchive(image.id, { onProgress })
    expect(readdirSync(join(graph.root, '_tmp'))).toEqual([])
    expect(archive.size).toBe(fakeTar.length)
    expect(await bytesOf(archive.read())).toBe(Buffer.from(fakeTar).toString('latin1'))
    expect(() => archive.read()).toThrow('twice')
    expect([...phases]).toEqual([`Buffering to disk${image.id}`])
    await using unread = await graph.tempLayerArchive(image.id)
    expect(unread.size).toBe(archive.size)
  })

  test('digests are kept; none is an error of its own', async () => {
    await using place = await newPlace(kind)
    const graph = await place.open()
    const image = await create(graph)
    await expect(graph.getDigest(image.id)).rejects.toMatchObject({ code: 'ERR_DIGEST_NOT_SET' })
    await graph.setDigest(image.id, digestOf('blob'))
    expect(await graph.getDigest(image.id)).toBe(digestOf('blob'))
    const wrong = graph.setDigest(image.id, 'md5:1' as ReturnType<typeof digestOf>)
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    await expect(graph.setDigest(id('9'), digestOf(''))).rejects.toMatchObject({
      code: 'ERR_IMAGE_NOT_FOUND',
    })
  })

  test('everything is there after a restart', async () => {
    await using place = await newPlace(kind)
    const before = await place.open()
    const base = await create(before)
    const child = await onTop(before, base.id)
    await before.tag(child.id, 'demo:1')
    await before[Symbol.asyncDispose]()
    await expect(before.get(base.id)).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    const after = await place.open()
    expect(await after.get(child.id)).toEqual(child)
    expect(await after.hasChildren(base.id)).toBe(true)
    expect(await after.tags()).toEqual(new Map([['demo:1', child.id]]))
    expect(await after.problems()).toEqual([])
    expect(await bytesOf(after.tarLayer(child.id))).toBe(Buffer.from(fakeTar).toString('latin1'))
  })
})

const { fakeTar, create } = makers('memory')

test('bufferToFile packs a layer, and tells size and digest of what it wrote', async () => {
  await using place = await newPlace()
  const graph = await place.open('1.7')
  await using file = await open(join(graph.root, 'buffer'), 'w+')
  const { size, digest } = await bufferToFile(file, [fakeTar])
  const written = readFileSync(join(graph.root, 'buffer'))
  expect([size, digest]).toEqual([written.length, digestOf(written)])
})

test('tags are moved and taken away, and kept in Docker’s own file', async () => {
  await using place = await newPlace()
  const graph = await place.open()
  const [one, two] = [await create(graph), await create(graph)]
  expect(await graph.tag(one.id.slice(0, 20), 'docker.io/library/demo')).toBe('demo:latest')
  await graph.tag(one.id, 'localhost:5000/a/b:2')
  await graph.tag(two.id, 'demo')
  const file = JSON.parse(readFileSync(join(place.root, 'repositories'), 'utf8'))
  expect(file).toEqual({
    Repositories: { demo: { latest: two.id }, 'localhost:5000/a/b': { '2': one.id } },
  })
  expect(await graph.untag('demo')).toBe('demo:latest')
  await expect(graph.untag('demo')).rejects.toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' })
  expect([...(await graph.tags()).keys()]).toEqual(['localhost:5000/a/b:2'])
})
