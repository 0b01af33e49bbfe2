import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '@varve/core'
import { imageRoots, openImages } from '@varve/image'
import { describe, expect, test } from 'vitest'
import { openBed } from './support/bed.ts'
import {
  dockerArchiveOf,
  layerTar,
  layoutOf,
  makeImage,
  makeLayer,
  pieces,
  tarOfFiles,
} from './support/make-image.ts'

const base = makeLayer('base')
const one = makeImage([base, makeLayer('one')])
const two = makeImage([base, makeLayer('two')])
const both = tarOfFiles(
  dockerArchiveOf([
    { image: one, tags: ['one:1', 'one:2'] },
    { image: two, tags: ['two'] },
  ]),
)

describe('images in the store', () => {
  test('are kept as Docker keeps them', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    const image = join(bed.root, 'image/memory')
    const config = await readFile(join(image, 'imagedb/content/sha256', one.id.slice(7)))
    expect(config.equals(one.config)).toBe(true)
    const updated = await readFile(
      join(image, 'imagedb/metadata/sha256', one.id.slice(7), 'lastUpdated'),
      'utf8',
    )
    expect(updated).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    expect(await readFile(join(image, 'repositories.json'), 'utf8')).toBe(
      `{"Repositories":{"one":{"one:1":"${one.id}","one:2":"${one.id}"},"two":{"two:latest":"${two.id}"}}}`,
    )
  })

  test('are found by tag, id, and unique prefix', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    const hex = one.id.slice(7)
    for (const ref of [
      'one:1',
      'docker.io/library/one:2',
      one.id,
      hex,
      hex.slice(0, 12),
      `sha256:${hex.slice(0, 9)}`,
    ]) {
      expect((await bed.images.get(ref)).id).toBe(one.id)
    }
    for (const ref of ['one', 'three', 'one:1/../x', '../x', '', `sha256:${'0'.repeat(64)}`]) {
      await expect(bed.images.get(ref)).rejects.toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' })
    }
  })

  test('are not found by a prefix that two share', async () => {
    await using bed = await openBed()
    const images = Array.from({ length: 17 }, (_, i) => makeImage([base], { author: String(i) }))
    await bed.images.load(pieces(tarOfFiles(dockerArchiveOf(images.map((image) => ({ image }))))))
    const first = images.map(({ id }) => id[7])
    const shared = first.find((digit, i) => first.indexOf(digit) !== i) ?? ''
    await expect(bed.images.get(shared)).rejects.toMatchObject({ code: 'ERR_AMBIGUOUS_ID' })
  })

  test('are still there after a restart', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    const before = await bed.images.list()
    await bed.reopen()
    expect(await bed.images.list()).toEqual(before)
    expect(before.map(({ tags }) => tags).sort()).toEqual([['one:1', 'one:2'], ['two:latest']])
  })

  test('tell their history with its layers, newest first', async () => {
    await using bed = await openBed()
    const image = makeImage([base, makeLayer('x')], {
      history: [
        { created_by: 'base' },
        { created_by: 'ENV a=b', empty_layer: true },
        { created_by: 'x' },
      ],
    })
    await bed.images.load(pieces(tarOfFiles(dockerArchiveOf([{ image, tags: ['h'] }]))))
    const steps = await bed.images.history('h')
    expect(steps.map((step) => [step.created_by, step.layer?.diffID])).toEqual([
      ['x', digestOf(layerTar('x'))],
      ['ENV a=b', undefined],
      ['base', digestOf(base.tar)],
    ])
  })
})

describe('tags', () => {
  test('are given, moved and taken away', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    expect(await bed.images.tag('one:1', 'localhost:5000/x')).toBe('localhost:5000/x:latest')
    expect(await bed.images.tag('two', 'one:1')).toBe('one:1')
    expect((await bed.images.get('one:1')).id).toBe(two.id)
    expect(await bed.images.untag('one:1')).toBe('one:1')
    await expect(bed.images.untag('one:1')).rejects.toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' })
    for (const bad of ['../x', 'A', `a@${one.id}`]) {
      await expect(bed.images.tag('two', bad)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      })
    }
  })

  test('given at the same time through several openings are all kept', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    const { root, store } = bed
    const others = await Promise.all(
      [1, 2, 3].map(() => openImages({ root, driver: 'memory', store })),
    )
    const wanted = Array.from({ length: 24 }, (_, i) => `many:${i}`)
    await Promise.all(wanted.map((tag, i) => (others[i % 3] ?? bed.images).tag('two', tag)))
    expect((await bed.images.get('two')).tags).toEqual([...wanted, 'two:latest'].sort())
  })
})

describe('removing', () => {
  test('takes the tag, with the last tag the image, and layers that no other image has', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    expect(await bed.images.remove('one:1')).toEqual({
      untagged: ['one:1'],
      deleted: [],
      layers: [],
    })
    const removed = await bed.images.remove('one:2')
    expect(removed).toMatchObject({ untagged: ['one:2'], deleted: [one.id] })
    expect(removed.layers.map(({ diffID }) => diffID)).toEqual([digestOf(layerTar('one'))])
    const rest = await bed.images.remove('two')
    expect(rest.layers.map(({ diffID }) => diffID)).toEqual([
      digestOf(layerTar('two')),
      digestOf(base.tar),
    ])
    expect(await bed.layers()).toEqual([])
  })

  test('by id needs force if there are several tags', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    await expect(bed.images.remove(one.id)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    const removed = await bed.images.remove(one.id, { force: true })
    expect(removed.untagged).toEqual(['one:1', 'one:2'])
    await expect(bed.images.get(one.id)).rejects.toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' })
  })

  test('leaves layers on which a read-write layer stands, and those registered by hand', async () => {
    await using bed = await openBed()
    const [loaded] = await bed.images.load(pieces(both))
    await using hand = await bed.store.register([layerTar('by hand')])
    await using rw = await bed.store.createRW(
      'box',
      loaded?.chainID ? { parent: loaded.chainID } : {},
    )
    const { layers } = await bed.images.remove(one.id, { force: true })
    expect(layers).toEqual([])
    expect(await bed.layers()).toContain(loaded?.chainID)
    expect(await bed.layers()).toContain(hand.chainID)
    expect(rw.parent).toBe(loaded?.chainID)
  })
})

describe('committing', () => {
  test('makes an image of a base and one new layer', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    const parent = (await bed.images.get('one:1')).chainID
    await using layer = await bed.store.register([layerTar('new')], parent ? { parent } : {})
    const created = new Date('2021-02-03T04:05:06Z')
    const options = {
      base: 'one:1',
      tags: ['made'],
      author: 'me',
      message: 'why',
      createdBy: 'sh',
      created,
      config: { Cmd: ['sh'] },
    }
    const image = await bed.images.commit(layer, options)
    expect(await bed.images.commit(layer, options)).toEqual(image)
    const { config, parent: from } = await bed.images.get('made')
    expect(from).toBe(one.id)
    expect(config).toMatchObject({ author: 'me', config: { Cmd: ['sh'] }, unknown: { kept: true } })
    expect(config.rootfs.diff_ids.at(-1)).toBe(layer.diffID)
    expect(config.history?.at(-1)).toEqual({
      created: created.toISOString(),
      created_by: 'sh',
      author: 'me',
      comment: 'why',
    })
    expect(image.diffIDs).toHaveLength(3)
  })

  test('refuses a layer that does not stand on the base', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    await using layer = await bed.store.register([layerTar('new')])
    await expect(bed.images.commit(layer, { base: 'one:1' })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    })
    expect(await bed.images.commit(layer)).toMatchObject({ chainID: layer.chainID, tags: [] })
  })
})

describe('pruning', () => {
  test('removes untagged images, loose layers and blobs; a dry run tells the same', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(tarOfFiles(layoutOf([{ image: one }, { image: two }]))), {
      keepBlobs: true,
    })
    await bed.images.tag(two.id, 'two')
    {
      await using _loose = await bed.store.register([layerTar('loose')])
    }
    const usage = await bed.images.diskUsage()
    const told = await bed.images.prune({ dryRun: true })
    expect(told.deleted).toEqual([one.id])
    expect(told.freed).toBe(usage.reclaimable)
    expect(await bed.images.list()).toHaveLength(2)
    const done = await bed.images.prune()
    expect(done).toEqual({ ...told, layers: expect.anything() })
    expect(done.layers.map(({ diffID }) => diffID).sort()).toEqual(
      [digestOf(layerTar('loose')), digestOf(layerTar('one'))].sort(),
    )
    expect(done.blobs).toEqual([digestOf(one.layers[1]?.blob ?? '')])
    expect((await bed.images.get('two')).layers.every(({ blobKept }) => blobKept)).toBe(true)
    expect((await bed.images.prune()).freed).toBe(0)
    expect((await bed.images.prune({ all: true })).deleted).toEqual([two.id])
    expect(await bed.layers()).toEqual([])
  })

  test('disk usage counts a shared layer once', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    const usage = await bed.images.diskUsage()
    expect(usage.layers.map(({ images }) => images).sort()).toEqual([1, 1, 2])
    expect(usage.total).toBe(usage.layers.reduce((sum, { size }) => sum + size, 0))
    for (const image of usage.images) expect(image.shared + image.unique).toBe(image.size)
    expect(usage.reclaimable).toBe(0)
  })
})

describe('checking', () => {
  test('finds each kind of damage, and repair does away with what can be', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(tarOfFiles(layoutOf([{ image: one }, { image: two }]))), {
      keepBlobs: true,
    })
    await bed.images.tag(two.id, 'two')
    const own = join(bed.root, 'varve/images/memory')
    const image = join(bed.root, 'image/memory')
    expect(await Array.fromAsync(bed.images.check({ full: true }))).toEqual([])

    await writeFile(join(image, 'imagedb/content/sha256', one.id.slice(7)), 'x')
    await writeFile(
      join(image, 'repositories.json'),
      JSON.stringify({
        Repositories: { x: { 'x:1': one.id, 'x:2': '../..' }, two: { 'two:latest': two.id } },
      }),
    )
    const blob = join(own, 'blobs/sha256', digestOf(two.layers[1]?.blob ?? '').slice(7))
    const bytes = await readFile(blob)
    bytes[9] = (bytes[9] ?? 0) ^ 1
    await writeFile(blob, bytes)
    await writeFile(join(own, 'blobs/sha256', digestOf('loose').slice(7)), 'loose')

    const kinds = async (options: object): Promise<string[]> =>
      (await Array.fromAsync(bed.images.check(options))).map(({ kind }) => kind).sort()
    expect(await kinds({})).toEqual(['damaged-config', 'dangling-tag', 'unreferenced-blob'])
    expect(await kinds({ full: true })).toContain('damaged-blob')
    await kinds({ full: true, repair: true })
    await kinds({ full: true, repair: true })
    expect(await kinds({ full: true })).toEqual([])
    expect((await bed.images.list()).map(({ id }) => id)).toEqual([two.id])
    expect((await bed.images.get('two')).layers.at(-1)?.blobKept).toBe(false)
  })

  test('finds damaged tags and manifests and missing layers', async () => {
    await using bed = await openBed()
    const [loaded] = await bed.images.load(pieces(tarOfFiles(layoutOf([{ image: one }]))))
    await writeFile(join(bed.root, 'image/memory/repositories.json'), '{')
    await writeFile(join(bed.root, 'varve/images/memory/manifests', one.id.slice(7)), '{}')
    const driver = 'memory'
    const empty = await openBed()
    const images = await openImages({ root: bed.root, driver, store: empty.store })
    const problems = await Array.fromAsync(images.check())
    expect(problems.map(({ kind }) => kind).sort()).toEqual([
      'damaged-manifest',
      'damaged-tags',
      'missing-layer',
      'missing-layer',
    ])
    await empty[Symbol.asyncDispose]()
    await expect(bed.images.get(one.id)).rejects.toMatchObject({ code: 'ERR_CORRUPT_METADATA' })
    await Array.fromAsync(bed.images.check({ repair: true }))
    expect((await bed.images.get(one.id)).chainID).toBe(loaded?.chainID)
  })
})

describe('what a killed process left', () => {
  test('is gone when the store is next opened: layers, blobs, manifests', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(both))
    const roots = await imageRoots({ root: bed.root, driver: 'memory' })
    const before = await bed.layers()
    const [first] = roots
    {
      // As if a load had died after its second layer.
      const parent = (await bed.images.get('two')).chainID
      await using orphan = await bed.store.register([layerTar('orphan')], parent ? { parent } : {})
      const own = join(bed.root, 'varve/images/memory')
      await mkdir(join(own, 'work/dead'), { recursive: true })
      const journal = { stacks: [[parent, orphan.chainID]], existed: [parent] }
      await writeFile(join(own, 'work/dead/layers.json'), JSON.stringify(journal))
      await writeFile(join(own, 'work/dead/0'), 'half a blob')
      await mkdir(join(own, 'blobs/sha256'), { recursive: true })
      await writeFile(join(own, 'blobs/sha256', digestOf('x').slice(7)), 'x')
      await mkdir(join(own, 'manifests'), { recursive: true })
      await writeFile(join(own, 'manifests', digestOf('y').slice(7)), 'y')
    }
    await bed.reopen()
    expect(await bed.layers()).toEqual(before)
    expect(before).toContain(first)
    expect(await Array.fromAsync(bed.images.check({ full: true }))).toEqual([])
    expect(await bed.images.list()).toHaveLength(2)
  })

  test('without a sound journal does not keep the store from opening', async () => {
    await using bed = await openBed()
    const work = join(bed.root, 'varve/images/memory/work/dead')
    await mkdir(work, { recursive: true })
    await mkdir(join(work, '../worse'))
    await writeFile(join(work, '../worse/layers.json'), '{"stacks":[["../x"]]}')
    await bed.reopen()
    await expect(readFile(work)).rejects.toMatchObject({ code: 'ENOENT' })
    await rm(bed.root, { recursive: true, force: true })
    await bed.reopen()
    expect(await bed.images.list()).toEqual([])
  })
})
