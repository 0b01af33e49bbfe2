/** Where Docker 1.7 and 1.9 differ on disk. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Graph } from '@varve/graph'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { id, newPlace } from './support/places.ts'

const tar = tarOf([{ name: 'motd', data: 'hello' }])
const has = (graph: Graph, of: string, name: string) => existsSync(join(graph.root, of, name))
const read = (graph: Graph, of: string, name: string) =>
  readFileSync(join(graph.root, of, name), 'utf8')
const json = (text: string) => new TextEncoder().encode(text)

describe('1.7', () => {
  test('writes the document itself, with the size and a newline, and no record', async () => {
    await using place = await newPlace('vfs')
    const graph = await place.open('1.7')
    await graph.register({ os: 'linux', id: id('a'), comment: '' }, [tar])
    expect(read(graph, id('a'), 'json')).toBe(`{"id":"${id('a')}","os":"linux","Size":5}\n`)
    expect(read(graph, id('a'), 'layersize')).toBe('5')
    expect(has(graph, id('a'), 'tar-data.json.gz')).toBe(false)
    expect((await graph.create([tar])).document.docker_version).toBe('1.7.1')
  })

  test('writes what a descriptor says into the document', async () => {
    await using place = await newPlace('vfs')
    const graph = await place.open('1.7')
    await graph.register({ id: id('a') }, [tar])
    await graph.register({ id: id('b'), parent: id('a'), json: json('{ "author": "me" }') }, [tar])
    expect(JSON.parse(read(graph, id('b'), 'json'))).toEqual({
      id: id('b'),
      parent: id('a'),
      author: 'me',
      Size: 5,
    })
    expect(has(graph, id('b'), 'parent')).toBe(false)
  })

  test('knows no v1 compatibility', async () => {
    await using place = await newPlace()
    const graph = await place.open('1.7')
    await graph.register({ id: id('a') }, [tar])
    const refused = { code: 'ERR_NOT_SUPPORTED' }
    await expect(graph.generateV1CompatibilityChain(id('a'))).rejects.toMatchObject(refused)
    await expect(graph.getV1CompatibilityConfig(id('a'))).rejects.toMatchObject(refused)
    await expect(graph.setV1CompatibilityConfig(id('a'), tar)).rejects.toMatchObject(refused)
  })
})

describe('1.9', () => {
  test('stores the bytes that it is given, and a record of the tar', async () => {
    await using place = await newPlace('vfs')
    const graph = await place.open('1.9')
    const bytes = json(`{ "id" : "${id('a')}" }`)
    await graph.register({ id: id('a'), json: bytes }, [tar])
    expect(read(graph, id('a'), 'json')).toBe(`{ "id" : "${id('a')}" }`)
    const record = gunzipSync(readFileSync(join(graph.root, id('a'), 'tar-data.json.gz')))
    expect(record.toString()).toContain('"name":"motd"')
    for (const name of ['json', 'layersize', 'tar-data.json.gz']) {
      expect(statSync(join(graph.root, id('a'), name)).mode & 0o777, name).toBe(0o600)
    }
    expect(statSync(join(graph.root, id('a'))).mode & 0o777).toBe(0o700)
  })

  test('does nothing for an id that is there, and does not read the layer', async () => {
    await using place = await newPlace()
    const graph = await place.open('1.9')
    const first = await graph.register({ id: id('a'), comment: 'first' }, [tar])
    const unread = {
      [Symbol.asyncIterator]: (): AsyncIterator<Uint8Array> => {
        throw new Error('it was read')
      },
    }
    expect(await graph.register({ id: id('a'), comment: 'second' }, unread)).toEqual(first)
  })

  test('writes the parent beside a document that names another by digest', async () => {
    await using place = await newPlace()
    const graph = await place.open('1.9')
    await graph.register({ id: id('a') }, [tar])
    const same = json(`{"parent_id":"sha256:${id('a')}"}`)
    await graph.register({ id: id('b'), parent: id('a'), json: same }, [tar])
    expect(has(graph, id('b'), 'parent')).toBe(false)
    const other = json(`{"parent_id":"sha256:${id('f')}"}`)
    await graph.register({ id: id('c'), parent: id('a'), json: other }, [tar])
    expect(read(graph, id('c'), 'parent')).toBe(id('a'))
    for (const child of ['b', 'c']) expect((await graph.get(child)).parent).toBe(id('a'))
  })

  test('makes v1 documents for an image and all beneath it, once', async () => {
    await using place = await newPlace()
    const graph = await place.open('1.9')
    await graph.register({ id: id('a'), comment: 'base' }, [tar])
    const parentID = `{"parent_id":"sha256:${id('a')}","os":"linux"}`
    await graph.register({ id: id('b'), json: json(parentID) }, [tar])
    const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)
    const made = JSON.parse(text(await graph.generateV1CompatibilityChain(id('b'))))
    expect(made).toMatchObject({ id: id('b'), parent: id('a'), os: 'linux', Size: 5 })
    expect(JSON.parse(text(await graph.getV1CompatibilityConfig(id('a'))))).toEqual({
      id: id('a'),
      comment: 'base',
      Size: 5,
    })
    await graph.setV1CompatibilityConfig(id('b'), json('{"id":"kept"}'))
    expect(text(await graph.generateV1CompatibilityChain(id('b')))).toBe('{"id":"kept"}')
  })
})

test('who is root in the namespace owns what is made', async () => {
  await using place = await newPlace()
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const map = (hostID: number) => [{ containerID: 0, hostID, size: 65536 }]
  const graph = await place.open('1.9', { uidMaps: map(own.uid), gidMaps: map(own.gid) })
  expect(statSync(graph.root)).toMatchObject(own)
  const nobody = place.open('1.9', { uidMaps: [{ containerID: 1, hostID: 5, size: 1 }] })
  await expect(nobody).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
})
