import { gzipSync } from 'node:zlib'
import { type DiffID, digestOf, EMPTY_DIFF_ID, emptyTar } from '@varve/core'
import { configOfV1, v1ChainOf } from '@varve/image'
import { describe, expect, test } from 'vitest'
import { openBed } from './support/bed.ts'
import { bytes, type Files, layerTar, tarOfFiles, writeFiles } from './support/make-image.ts'
import { v1ArchiveOf, v1ID } from './support/v1-archive.ts'

const base = { id: v1ID('b1') }
const middle = { id: v1ID('b2'), parent: base.id }
const top = { id: v1ID('b3'), parent: middle.id }
const chain = [base, middle, top]
const repositories = { demo: { '1': top.id, base: base.id } }

const text = (data: Uint8Array) => new TextDecoder().decode(data)

describe('an archive of docker save before 1.10', () => {
  test('loads from a tar and from a directory, with its tags', async () => {
    await using bed = await openBed()
    const files = v1ArchiveOf(chain, repositories)
    const loaded = await bed.images.load([tarOfFiles(files)])
    expect(loaded.map((image) => image.tags)).toEqual([['demo:1'], ['demo:base']])
    expect(loaded[0]?.diffIDs).toEqual(chain.map(({ id }) => digestOf(layerTar(id.slice(0, 8)))))
    const again = await bed.images.load(await writeFiles(files, bed.path('v1')))
    expect(again.map(({ id, existed }) => [id, existed])).toEqual(
      loaded.map(({ id }) => [id, true]),
    )
    const steps = await bed.images.history('demo:1')
    expect(steps.map((step) => step.created_by)).toEqual(
      ['b300', 'b200', 'b100'].map((id) => `/bin/sh -c #(nop) ADD <${id}>`),
    )
  })

  test('has the id that Docker 20.10 gives it', async () => {
    await using bed = await openBed()
    const load = async (json: Record<string, unknown>): Promise<string | undefined> => {
      const files = v1ArchiveOf([{ id: v1ID('a1'), tar: emptyTar(), json }], {
        x: { y: v1ID('a1') },
      })
      return (await bed.images.load([tarOfFiles(files)]))[0]?.id
    }
    // What `docker load` of Docker 20.10.24 answers; interop/graph.test.ts asks it again.
    expect(await load({})).toBe(GOLDEN.kept)
    expect(await load(OLD_FIELDS)).toBe(GOLDEN.rewritten)
  })

  test('saved by id, without "repositories", its heads are the images', async () => {
    await using bed = await openBed()
    const other = { id: v1ID('c1') }
    const loaded = await bed.images.load([tarOfFiles(v1ArchiveOf([...chain, other]))])
    expect(loaded.map((image) => [image.diffIDs.length, image.tags])).toEqual([
      [3, []],
      [1, []],
    ])
  })

  test('layers may be compressed and shared by several images', async () => {
    await using bed = await openBed()
    const tar = layerTar('packed')
    const packed = { ...base, tar: gzipSync(tar) }
    const files = v1ArchiveOf([packed, middle, { ...top, parent: base.id }])
    const loaded = await bed.images.load([tarOfFiles(files)])
    expect(loaded.map((image) => image.diffIDs[0])).toEqual([digestOf(tar), digestOf(tar)])
    expect(await bed.layers()).toHaveLength(3)
  })

  test('a parent may be named by digest, as Docker 1.9 does', async () => {
    await using bed = await openBed()
    const json = { id: undefined, parent_id: `sha256:${base.id}`, layer_id: EMPTY_DIFF_ID }
    const [loaded] = await bed.images.load([
      tarOfFiles(v1ArchiveOf([base, { ...top, parent: '', json }])),
    ])
    expect(loaded?.diffIDs).toHaveLength(2)
    const config = JSON.parse(text((await bed.images.get(loaded?.id ?? '')).configBytes))
    expect(config).not.toHaveProperty('parent_id')
    expect(config).not.toHaveProperty('layer_id')
  })

  const broken: Record<string, [Files, string]> = {
    'a parent that is not there': [v1ArchiveOf([middle, top]), 'ERR_BLOB_NOT_FOUND'],
    'a ring of parents': [
      v1ArchiveOf([{ ...base, parent: top.id }, middle, top], repositories),
      'ERR_INVALID_IMAGE',
    ],
    'a parent outside': [
      v1ArchiveOf([{ ...top, parent: '../../etc' }], repositories),
      'ERR_INVALID_IMAGE',
    ],
    'the document of another image': [
      v1ArchiveOf([{ ...base, json: { id: top.id } }]),
      'ERR_INVALID_IMAGE',
    ],
    'a tag of nothing': [v1ArchiveOf([base], { demo: { '1': top.id } }), 'ERR_BLOB_NOT_FOUND'],
    'a chain that is too long': [
      v1ArchiveOf(
        Array.from({ length: 126 }, (_, i) => ({
          id: v1ID(`e${i}x`.replace('x', 'f')),
          ...(i > 0 ? { parent: v1ID(`e${i - 1}f`) } : {}),
          tar: emptyTar(),
        })),
      ),
      'ERR_MAX_DEPTH',
    ],
  }
  test.each(Object.entries(broken))(
    'with %s is refused, and nothing stays',
    async (_, [files, code]) => {
      await using bed = await openBed()
      await expect(bed.images.load([tarOfFiles(files)])).rejects.toMatchObject({ code })
      expect(await bed.layers()).toEqual([])
    },
  )

  test('without the layer of an image is refused', async () => {
    await using bed = await openBed()
    const files = v1ArchiveOf(chain)
    files.delete(`${middle.id}/layer.tar`)
    await expect(bed.images.load([tarOfFiles(files)])).rejects.toMatchObject({
      code: 'ERR_BLOB_NOT_FOUND',
    })
  })
})

describe('configurations', () => {
  const step = (json: Record<string, unknown>) => ({ json: bytes(json), diffID: EMPTY_DIFF_ID })

  test('numbers, inner order and unknown fields of a document since 1.8.3 are kept', () => {
    const json = new TextEncoder().encode(
      '{ "docker_version": "1.10.0-rc1", "z": {"b": 1.0, "a": [1e3, "\\u00e9 \\" ]"]}, "id": "x" }',
    )
    expect(text(configOfV1([{ json, diffID: EMPTY_DIFF_ID }]))).toBe(
      '{"docker_version":"1.10.0-rc1","history":[{"created":"0001-01-01T00:00:00Z"}],' +
        `"rootfs":{"type":"layers","diff_ids":["${EMPTY_DIFF_ID}"]},` +
        '"z":{"b":1.0,"a":[1e3,"\\u00e9 \\" ]"]}}',
    )
  })

  test('an older document keeps what Docker’s structs know', () => {
    const config = JSON.parse(text(configOfV1([step(OLD_FIELDS)])))
    expect(config).not.toHaveProperty('extra')
    expect(config.config).not.toHaveProperty('Memory')
    expect(config.config.Cmd).toEqual(['one'])
  })

  test('an image that was v1 before, becomes v1 and an image again with the same id', () => {
    const parts = [{ docker_version: '1.9.1', container_config: { Cmd: ['a', 'b'] } }, OLD_FIELDS]
    for (const part of parts) {
      const steps = [step({ ...part, comment: 'base' }), step({ ...part, author: 'me' })]
      const first = configOfV1(steps)
      const v1 = v1ChainOf(first, JSON.parse(text(first)))
      expect(v1.map(({ parent }) => parent)).toEqual([undefined, v1[0]?.id])
      expect(text(configOfV1(v1))).toBe(text(first))
    }
  })

  test('chains of images with the same lower layers share those v1 images', () => {
    const config = (diffIDs: string[], more = {}) => {
      const value = { rootfs: { type: 'layers', diff_ids: diffIDs as DiffID[] }, ...more }
      return v1ChainOf(bytes(value), value)
    }
    const [one, two] = [
      config([EMPTY_DIFF_ID, EMPTY_DIFF_ID, EMPTY_DIFF_ID]),
      config([EMPTY_DIFF_ID, EMPTY_DIFF_ID, EMPTY_DIFF_ID], { os: 'x' }),
    ]
    expect(one[0]?.id).toBe(two[0]?.id)
    expect(one[1]?.id).toBe(two[1]?.id)
    expect(one[2]?.id).not.toBe(two[2]?.id)
    expect(new Set(one.map(({ id }) => id)).size).toBe(3)
  })
})

describe('add', () => {
  test('makes an image of a configuration whose layers are there, and finds it again', async () => {
    await using bed = await openBed()
    await using layer = await bed.store.register([emptyTar()])
    const config = bytes({ rootfs: { type: 'layers', diff_ids: [layer.diffID] } })
    const added = await bed.images.add(config, { tags: ['new:1'] })
    expect(added).toMatchObject({ id: digestOf(config), tags: ['new:1'], existed: false })
    expect(await bed.images.add(config)).toMatchObject({ id: added.id, existed: true })
    expect(text((await bed.images.get('new:1')).configBytes)).toBe(text(config))
  })

  test('refuses what is no configuration, and one whose layers are missing', async () => {
    await using bed = await openBed()
    await expect(bed.images.add(bytes({}))).rejects.toMatchObject({ code: 'ERR_INVALID_IMAGE' })
    const config = bytes({ rootfs: { type: 'layers', diff_ids: [EMPTY_DIFF_ID] } })
    await expect(bed.images.add(config)).rejects.toMatchObject({ code: 'ERR_LAYER_NOT_FOUND' })
    expect(await bed.images.list()).toEqual([])
  })
})

const OLD_FIELDS = {
  docker_version: '1.6.0',
  created: '2014-01-01T00:00:00.1200+00:00',
  comment: 'x <y>',
  author: 'me',
  extra: 1,
  config: {
    Cmd: 'one',
    Labels: { b: '1', a: '2' },
    ExposedPorts: { '80/tcp': {} },
    Memory: 5,
    Volumes: {},
  },
}

const GOLDEN = {
  kept: 'sha256:a80e26007b2eeeccf08f3dd4d5c35919a9dfdc30639de58ad3fcbb89a249c54c',
  rewritten: 'sha256:ebf5188d46b6c5a6e79589920293eb5354364c878844ad1bffcd820da99bbb01',
}
