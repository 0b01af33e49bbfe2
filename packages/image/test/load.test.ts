import { writeFile } from 'node:fs/promises'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { digestOf } from '@varve/core'
import { describe, expect, test } from 'vitest'
import { openBed } from './support/bed.ts'
import {
  addImage,
  bytes,
  dockerArchiveOf,
  type Files,
  INDEX,
  layoutOf,
  makeImage,
  makeLayer,
  pieces,
  tarOfFiles,
  writeFiles,
} from './support/make-image.ts'

const base = makeLayer('base')
const top = makeLayer('top', 'zstd')
const plain = makeLayer('plain', 'none')
const image = makeImage([base, top, plain])
const tagged = { 'org.opencontainers.image.ref.name': 'docker.io/library/demo:1' }

describe('an OCI layout', () => {
  test('loads from a directory, with gzip, zstd and plain layers', async () => {
    await using bed = await openBed()
    const files = layoutOf([{ image, annotations: tagged }])
    const [loaded] = await bed.images.load(await writeFiles(files, bed.path('oci')))
    expect(loaded).toMatchObject({ id: image.id, tags: ['demo:1'], existed: false })
    expect(loaded?.layers.map((layer) => layer.existed)).toEqual([false, false, false])
    for (const [index, { chainID, diffID }] of (loaded?.layers ?? []).entries()) {
      await using layer = await bed.store.get(chainID)
      expect(diffID).toBe(digestOf(image.layers[index]?.tar ?? new Uint8Array()))
      expect(layer.diffID).toBe(diffID)
    }
  })

  test.each([
    ['plain', (tar: Uint8Array) => tar],
    ['gzip', (tar: Uint8Array) => gzipSync(tar)],
    ['zstd', (tar: Uint8Array) => zstdCompressSync(tar)],
  ])('loads from a %s tar in a file and in a stream', async (_, pack) => {
    const tar = pack(tarOfFiles(layoutOf([{ image, annotations: tagged }])))
    await using bed = await openBed()
    await writeFile(bed.path('image.tar'), tar)
    const [first] = await bed.images.load(bed.path('image.tar'))
    const [again] = await bed.images.load(pieces(tar))
    expect(first).toMatchObject({ id: image.id, tags: ['demo:1'], existed: false })
    expect(again).toMatchObject({ id: image.id, tags: ['demo:1'], existed: true })
    expect(again?.layers.every((layer) => layer.existed)).toBe(true)
  })

  test('a tag without a repository is a tag of the archive’s own name', async () => {
    await using bed = await openBed()
    const annotations = { 'org.opencontainers.image.ref.name': '3.20' }
    const files = layoutOf([{ image, annotations }])
    const [loaded] = await bed.images.load(await writeFiles(files, bed.path('alpine')))
    expect(loaded?.tags).toEqual(['alpine:3.20'])
    await using other = await openBed()
    const [streamed] = await other.images.load(pieces(tarOfFiles(files)))
    expect(streamed?.tags).toEqual([])
  })

  test('for several platforms gives the one asked for; others need not be there', async () => {
    const arm = makeImage([makeLayer('arm')], { architecture: 'arm64' })
    const files: Files = new Map()
    const inner = bytes({
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [
        addImage(files, { image, platform: { os: 'linux', architecture: 'amd64' } }),
        addImage(files, {
          image: arm,
          platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
        }),
        {
          mediaType: INDEX.replace('index', 'manifest'),
          digest: digestOf('x'),
          size: 1,
          platform: { os: 'linux', architecture: 's390x' },
        },
        {
          mediaType: INDEX.replace('index', 'manifest'),
          digest: digestOf('y'),
          size: 1,
          platform: { os: 'unknown', architecture: 'unknown' },
        },
      ],
    })
    files.set(`blobs/sha256/${digestOf(inner).slice(7)}`, inner)
    const entry = { mediaType: INDEX, digest: digestOf(inner), size: inner.length }
    files.set('index.json', bytes({ schemaVersion: 2, manifests: [entry] }))
    files.set('oci-layout', bytes({ imageLayoutVersion: '1.0.0' }))
    const tar = tarOfFiles(files)

    await using bed = await openBed()
    const ids = async (platform: string) =>
      (await bed.images.load(pieces(tar), { platform })).map(({ id }) => id)
    expect(await ids('linux/amd64')).toEqual([image.id])
    expect(await ids('linux/arm64')).toEqual([arm.id])
    await expect(ids('linux/riscv64')).rejects.toMatchObject({
      code: 'ERR_IMAGE_NOT_FOUND',
      hint: expect.stringContaining('linux/arm64'),
    })
    await expect(ids('linux/s390x')).rejects.toMatchObject({ code: 'ERR_BLOB_NOT_FOUND' })
  })

  test('an only image is taken whatever its platform, unless another is asked for', async () => {
    const arm = makeImage([base], { architecture: 's390x' })
    const files = layoutOf([{ image: arm, platform: { os: 'linux', architecture: 's390x' } }])
    await using bed = await openBed()
    expect(await bed.images.load(pieces(tarOfFiles(files)))).toHaveLength(1)
    const asked = bed.images.load(pieces(tarOfFiles(files)), { platform: 'linux/amd64' })
    await expect(asked).rejects.toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' })
  })

  test('keeps config and manifest byte for byte', async () => {
    await using bed = await openBed()
    const files = layoutOf([{ image, annotations: tagged }])
    await bed.images.load(pieces(tarOfFiles(files)))
    const details = await bed.images.get('demo:1')
    expect(Buffer.from(details.configBytes).equals(image.config)).toBe(true)
    const manifest = files.get(`blobs/sha256/${details.manifest?.slice(7)}`)
    expect(manifest && Buffer.from(details.manifestBytes ?? []).equals(manifest)).toBe(true)
    expect(details.config.unknown).toEqual({ kept: true })
  })

  test('the tags given take the place of those in the archive', async () => {
    await using bed = await openBed()
    const tar = tarOfFiles(layoutOf([{ image, annotations: tagged }]))
    const [loaded] = await bed.images.load(pieces(tar), { tags: ['other', 'ghcr.example/x:y'] })
    expect(loaded?.tags).toEqual(['ghcr.example/x:y', 'other:latest'])
  })
})

describe('a docker-archive', () => {
  test('of the old form loads, layers shared by symlink and hard link', async () => {
    const second = makeImage([base, makeLayer('second')])
    const files = dockerArchiveOf(
      [{ image, tags: ['demo:1', 'demo:2'] }, { image: second }],
      (items) => {
        const [, item] = items as { Layers: string[] }[]
        item?.Layers.splice(0, 1, 'shared/layer.tar')
        return items
      },
    )
    const target = `${digestOf(base.tar).slice(7)}/layer.tar`
    for (const link of [
      { name: 'shared/layer.tar', type: 'symlink', link: `../${target}` },
      { name: 'shared/layer.tar', type: 'hardlink', link: target },
    ]) {
      await using bed = await openBed()
      const loaded = await bed.images.load(pieces(tarOfFiles(files, [link])))
      expect(loaded.map(({ id }) => id)).toEqual([image.id, second.id])
      expect(loaded[0]?.tags).toEqual(['demo:1', 'demo:2'])
      expect(loaded[0]?.layers[0]?.chainID).toBe(loaded[1]?.layers[0]?.chainID)
      expect((await bed.layers()).length).toBe(4)
    }
  })

  test('with an OCI layout in it keeps the manifest that is about the same blobs', async () => {
    const files = layoutOf([{ image }])
    const layers = image.layers.map(({ blob }) => `blobs/sha256/${digestOf(blob).slice(7)}`)
    const config = `blobs/sha256/${image.id.slice(7)}`
    files.set('manifest.json', bytes([{ Config: config, RepoTags: ['demo:1'], Layers: layers }]))
    await using bed = await openBed()
    const [loaded] = await bed.images.load(pieces(tarOfFiles(files)), { keepBlobs: true })
    expect(loaded?.tags).toEqual(['demo:1'])
    expect(loaded?.manifest).toBeDefined()
    expect(loaded?.layers.every(({ blobKept }) => blobKept)).toBe(true)
  })

  test('long names are read', async () => {
    const files = dockerArchiveOf([{ image }], (items) => {
      const [item] = items as { Layers: string[] }[]
      item?.Layers.splice(0, 1, `${'deep/'.repeat(60)}layer.tar`)
      return items
    })
    const name = `${'deep/'.repeat(60)}layer.tar`
    for (const format of ['gnu', 'ustar'] as const) {
      await using bed = await openBed()
      const tar = tarOfFiles(files, [{ name, data: base.blob, format }])
      expect(await bed.images.load(pieces(tar))).toHaveLength(1)
    }
  })
})
