import { rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '@varve/core'
import { exportImage, type Graph, type MigrateOptions, migrate, saveV1Archive } from '@varve/graph'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { onEachDriver } from './support/each-driver.ts'
import { tarOfImage } from './support/graph-root.ts'
import { app, base, old, other, sound, step, writeOldRoot } from './support/old-root.ts'
import { bytesOf, id, newPlace } from './support/places.ts'
import { openMemoryStore, openOldGraph, openStoreAt, type StoreBed } from './support/store-bed.ts'

interface Bed extends StoreBed {
  readonly graph: Graph
  at(name: string): string
  run(options?: Partial<MigrateOptions>): ReturnType<typeof migrate>
}

async function openBed(prepare: (root: string) => void = writeOldRoot): Promise<Bed> {
  const dir = await mkdtemp(join(tmpdir(), 'graph-migrate-'))
  const at = (name: string) => join(dir, name)
  prepare(at('old'))
  const graph = await openOldGraph(at('old'))
  const bed = await openStoreAt(at('new'))
  return {
    ...bed,
    graph,
    at,
    run: (options) => migrate(graph, { ...bed, memo: at('memo'), ...options }),
    async [Symbol.asyncDispose]() {
      await graph[Symbol.asyncDispose]()
      await bed[Symbol.asyncDispose]()
      await rm(dir, { recursive: true })
    },
  }
}

/** Nothing is wrong, and no layer is there that no image needs. */
async function expectSound({ store, images }: StoreBed): Promise<void> {
  expect(await Array.fromAsync(store.check({ full: true }))).toEqual([])
  expect(await Array.fromAsync(images.check({ full: true }))).toEqual([])
  expect(await store.gc({ keep: await images.roots(), dryRun: true })).toEqual([])
}

const diffID = (image: typeof base) => digestOf(tarOfImage(image))

describe('migrate', () => {
  test('brings every image, its layers byte for byte, with its tags and its parent', async () => {
    await using bed = await openBed()
    const told: string[] = []
    const { images, failed } = await bed.run({ onMigrated: (image) => told.push(image.id) })
    expect(failed).toEqual([])
    expect(told).toEqual(images.map((image) => image.id))
    const byID = new Map(images.map((image) => [image.id, image]))
    expect([...byID.keys()].sort()).toEqual(sound.map((image) => image.id).sort())
    const top = await bed.images.get('app')
    expect(top.id).toBe(byID.get(app.id)?.imageID)
    expect(top.diffIDs).toEqual([base, step, app].map(diffID))
    expect(top.parent).toBe(byID.get(step.id)?.imageID)
    expect(top.config.config).toEqual({ Env: ['PATH=/bin'], Cmd: ['/bin/sh'] })
    expect(top.config.history?.map((entry) => entry.created_by)).toEqual(
      ['a100', 'a200', 'a300'].map((start) => `/bin/sh -c #(nop) ADD ${start}`),
    )
    expect((await bed.images.get('localhost:5000/base:1')).diffIDs).toEqual([diffID(base)])
    await using layer = await bed.store.get(byID.get(app.id)?.chainID as never)
    expect(await bytesOf(layer.tar())).toBe(Buffer.from(tarOfImage(app)).toString('latin1'))
    await expectSound(bed)
  })

  test('gives the ids that Docker gives the same images', async () => {
    await using bed = await openBed()
    const { images } = await bed.run()
    // Docker 20.10 loads an archive of a graph as Docker 1.10 migrated the graph itself;
    // interop/graph.test.ts lets it.
    const wanted = await bed.images.load(saveV1Archive(bed.graph, [app.id, other.id, old.id]))
    const ids = [app, other, old].map((one) => images.find((image) => image.id === one.id)?.imageID)
    expect(wanted.map((image) => image.id)).toEqual(ids)
    expect(wanted.every((image) => image.existed)).toBe(true)
  })

  test('a second run has nothing to read, and comes to the same', async () => {
    await using bed = await openBed()
    const first = await bed.run()
    const again = await bed.run()
    expect(again.images.map(({ imageID }) => imageID)).toEqual(
      first.images.map(({ imageID }) => imageID),
    )
    expect(again.images.every((image) => image.existed)).toBe(true)
    await expectSound(bed)
  })

  test('what a killed run has found out is not read again', async () => {
    await using bed = await openBed()
    const first = await bed.run()
    const lines = first.images.map(
      ({ id: one }) => `${one} ${diffID(sound.find((s) => s.id === one) ?? base)}`,
    )
    // Cut off in the middle of a line, as a kill leaves it.
    writeFileSync(
      bed.at('memo'),
      `${lines.filter((line) => !line.startsWith(old.id)).join('\n')}\n${old.id} sha256:12`,
    )
    const read: string[] = []
    const graph: Graph = {
      ...bed.graph,
      tarLayer(one, options) {
        read.push(one)
        return bed.graph.tarLayer(one, options)
      },
    }
    const again = await migrate(graph, { ...bed, memo: bed.at('memo') })
    expect(read).toEqual([old.id])
    expect(again.images).toHaveLength(sound.length)
  })

  test('what cannot be read is reported with what stands on it, and the rest is there', async () => {
    const broken = { ...base, id: id('d1'), rawJSON: '{' }
    const onBroken = { ...app, id: id('d2'), parent: broken.id }
    const orphan = { ...app, id: id('d3'), parent: id('f') }
    const ring = { ...base, id: id('e1'), parent: id('e2') }
    const ringToo = { ...base, id: id('e2'), parent: ring.id }
    const changed = { ...base, id: id('e3'), layer: [{ name: 'file', data: 'as it was' }] }
    const above = { ...app, id: id('e4'), parent: changed.id }
    await using bed = await openBed((root) => {
      writeOldRoot(root, [broken, onBroken, orphan, ring, ringToo, changed, above])
      writeFileSync(join(root, 'vfs/dir', changed.id, 'file'), 'as it is!')
      rmSync(join(root, 'vfs/dir', old.id), { recursive: true })
    })
    const { images, failed } = await bed.run()
    expect(images.map((image) => image.id).sort()).toEqual(
      [base, step, app, other].map((one) => one.id),
    )
    const reasons = Object.fromEntries(failed.map((one) => [one.id.slice(0, 2), one.message]))
    expect(reasons).toEqual({
      c1: expect.stringContaining('no layer in the vfs driver'),
      d1: expect.stringContaining('not JSON'),
      d2: expect.stringContaining('could not be brought over'),
      d3: expect.stringContaining('not there'),
      e1: expect.stringContaining('stands on itself'),
      e2: expect.stringContaining('stands on itself'),
      e3: expect.stringMatching(/file|checksum/),
      e4: expect.stringContaining('could not be brought over'),
    })
    expect(failed).toHaveLength(8)
    await expectSound(bed)
  })

  test('a tag that is no name today is reported, and its image is there', async () => {
    await using bed = await openBed((root) => {
      writeOldRoot(root)
      const tags = { Repositories: { 'dots..twice': { '1': app.id }, fine: { '1': app.id } } }
      writeFileSync(join(root, 'repositories-vfs'), JSON.stringify(tags))
    })
    const { images, failed } = await bed.run()
    expect(failed).toMatchObject([{ id: app.id, tag: 'dots..twice:1' }])
    expect(images.find((image) => image.id === app.id)?.tags).toEqual(['fine:1'])
  })

  test('only what is asked for, and without the images between, if that is wanted', async () => {
    await using bed = await openBed()
    const { images } = await bed.run({ refs: ['app'], intermediates: false })
    // The base has a tag of its own.
    expect(images.map((image) => image.id)).toEqual([base.id, app.id])
    expect(await Array.fromAsync(bed.store.layers())).toHaveLength(3)
    await expect(bed.run({ refs: ['nope'] })).rejects.toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' })
  })

  test('interrupted, it leaves whole images and nothing else', async () => {
    await using bed = await openBed()
    const control = new AbortController()
    const run = bed.run({
      signal: control.signal,
      onProgress: ({ id: one }) => {
        if (one === other.id) control.abort()
      },
    })
    await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await expectSound(bed)
    expect((await bed.images.list()).length).toBeLessThan(sound.length)
    expect((await bed.run()).images).toHaveLength(sound.length)
    await expectSound(bed)
  })
})

onEachDriver('from a graph on', (kind) => {
  const files = kind === 'windows' ? 'Files/' : ''
  const tars = ['one', 'two'].map((name) =>
    tarOf([
      ...(files === '' ? [] : [{ name: files }]),
      { name: `${files}${name}`, data: name },
      { name: `${files}${name}2`, data: 'the end' },
    ]),
  )

  test.each(['1.7', '1.9'] as const)('of Docker %s, layers come over', async (version) => {
    await using place = await newPlace(kind)
    const driver = await place.driver()
    const graph = await place.open(version, { driver })
    await graph.register({ id: id('a') }, [tars[0] as Uint8Array])
    await graph.register({ id: id('b'), parent: id('a') }, [tars[1] as Uint8Array])
    await using bed = await openMemoryStore(join(place.root, 'store'))
    const { images, failed } = await migrate(graph, bed)
    expect(failed).toEqual([])
    const top = await bed.images.get(images.find((image) => image.id === id('b'))?.imageID ?? '')
    const isExact = version === '1.9' || driver.capabilities.reproducesExactDiffs
    if (isExact) expect(top.diffIDs).toEqual(tars.map((tar) => digestOf(tar)))
    await using layer = await bed.store.get(top.chainID as never)
    const tar = await bytesOf(layer.tar())
    for (const part of [`${files}two`, 'the end']) expect(tar).toContain(part)
    expect(tar).not.toContain(`${files}one`)
    await expectSound(bed)
  })
})

describe('and back', () => {
  test('an image that came out of a graph gets the same id when it does so again', async () => {
    await using bed = await openBed()
    await bed.run()
    await using graph = await openOldGraph(bed.at('older'), false)
    const exported = await exportImage(graph, 'app', bed)
    expect(exported.tags).toEqual(['app:latest'])
    expect(exported.layers.map(({ existed }) => existed)).toEqual([false, false, false])
    expect(await bytesOf(graph.tarLayer(exported.id))).toBe(
      Buffer.from(tarOfImage(app)).toString('latin1'),
    )
    await using fresh = await openStoreAt(bed.at('fresh'))
    const { images } = await migrate(graph, fresh)
    expect(images.find((image) => image.id === exported.id)?.imageID).toBe(
      (await bed.images.get('app')).id,
    )
    await expectSound(fresh)
  })

  test('images share what they have in common, and are exported once', async () => {
    await using bed = await openBed()
    const { images } = await bed.run()
    await using graph = await openOldGraph(bed.at('older'), false)
    const [one, two] = [app, other].map((image) => images.find(({ id: of }) => of === image.id))
    await exportImage(graph, one?.imageID ?? '', bed)
    const second = await exportImage(graph, two?.imageID ?? '', { ...bed, tags: ['two:1'] })
    expect(second.layers.map(({ existed }) => existed)).toEqual([true, false])
    expect((await exportImage(graph, two?.imageID ?? '', bed)).id).toBe(second.id)
    expect([...(await graph.tags()).keys()]).toEqual(['app:latest', 'two:1'])
    expect(await graph.problems()).toEqual([])
  })

  test('any image of today becomes one of then; 1.7 too', async () => {
    await using bed = await openBed()
    await using layer = await bed.store.register([tarOf([{ name: 'a', data: 'b' }])])
    const config = {
      architecture: 'arm64',
      config: { Env: ['A=B'] },
      history: [{ created_by: 'ADD a' }, { created_by: 'ENV A=B', empty_layer: true }],
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [layer.diffID] },
    }
    const bytes = new TextEncoder().encode(JSON.stringify(config))
    await bed.images.add(bytes, { tags: ['today:1'] })
    await using place = await newPlace()
    const graph = await place.open('1.7')
    const { id: made } = await exportImage(graph, 'today:1', bed)
    expect((await graph.get(made)).document).toMatchObject({
      architecture: 'arm64',
      config: { Env: ['A=B'] },
      container_config: { Cmd: ['ADD a'] },
    })
    const none = new TextEncoder().encode('{"rootfs":{"type":"layers","diff_ids":[]}}')
    const empty = await bed.images.add(none)
    await expect(exportImage(graph, empty.id, bed)).rejects.toMatchObject({
      code: 'ERR_INVALID_IMAGE',
    })
  })
})
