import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '@varve/core'
import { describe, expect, test } from 'vitest'
import { openBed } from './support/bed.ts'
import {
  dockerArchiveOf,
  layoutOf,
  makeImage,
  makeLayer,
  pieces,
  tarOfFiles,
} from './support/make-image.ts'

const base = makeLayer('base')
const image = makeImage([base, makeLayer('top', 'zstd')])
const sibling = makeImage([base, makeLayer('sibling', 'none')])
const archive = tarOfFiles(
  layoutOf([
    { image, annotations: { 'io.containerd.image.name': 'docker.io/library/demo:1' } },
    { image: sibling, annotations: { 'io.containerd.image.name': 'example.org/a/b:2' } },
  ]),
)
const all = async (stream: AsyncIterable<Uint8Array>): Promise<Buffer> =>
  Buffer.concat((await Array.fromAsync(stream)).map((chunk) => Buffer.from(chunk)))

describe('a saved image', () => {
  test('as docker-archive has the very config and layers, and loads as the same', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(archive))
    const [saved, more] = await bed.images.save(
      ['demo:1', 'example.org/a/b:2'],
      bed.path('out.tar'),
    )
    expect(saved).toMatchObject({ id: image.id, tags: ['demo:1'], original: false })
    expect(more?.id).toBe(sibling.id)
    const tar = await readFile(bed.path('out.tar'))
    for (const { layers, config } of [image, sibling]) {
      expect(tar.includes(Buffer.from(config))).toBe(true)
      for (const layer of layers) expect(tar.includes(Buffer.from(layer.tar))).toBe(true)
    }
    // A shared layer is written once.
    expect(tar.indexOf(Buffer.from(base.tar))).toBe(tar.lastIndexOf(Buffer.from(base.tar)))

    await using other = await openBed()
    const loaded = await other.images.load(bed.path('out.tar'))
    expect(loaded.map(({ id, tags }) => [id, tags])).toEqual([
      [image.id, ['demo:1']],
      [sibling.id, ['example.org/a/b:2']],
    ])
    expect(await all(other.images.archive(['demo:1', 'example.org/a/b:2']))).toEqual(tar)
  })

  test.each(['none', 'gzip', 'zstd'] as const)(
    'as OCI layout with %s layers loads as the same, with equal bytes each time',
    async (compression) => {
      await using bed = await openBed()
      await bed.images.load(pieces(archive))
      const options = { format: 'oci-archive', compression } as const
      const first = await all(bed.images.archive(['demo:1'], options))
      expect(await all(bed.images.archive(['demo:1'], options))).toEqual(first)
      await bed.images.save(['demo:1'], bed.path('oci'), { format: 'oci-layout', compression })
      await using other = await openBed()
      const [fromTar] = await other.images.load(pieces(first))
      const [fromDirectory] = await other.images.load(bed.path('oci'))
      expect(fromTar).toMatchObject({ id: image.id, tags: ['demo:1'] })
      expect(fromDirectory).toMatchObject({
        id: image.id,
        existed: true,
        manifest: fromTar?.manifest,
      })
      expect(await Array.fromAsync(other.store.check({ full: true }))).toEqual([])
    },
  )

  test('with its blobs kept has the digests that it came with', async () => {
    await using bed = await openBed()
    const [loaded] = await bed.images.load(pieces(archive), { keepBlobs: true })
    const [saved] = await bed.images.save(['demo:1'], bed.path('oci'), { format: 'oci-layout' })
    expect(saved?.original).toBe(true)
    expect(saved?.manifest.digest).toBe(loaded?.manifest)
    for (const { blob } of image.layers) {
      const file = await readFile(join(bed.path('oci'), 'blobs/sha256', digestOf(blob).slice(7)))
      expect(file.equals(blob)).toBe(true)
    }
    const [docker] = await bed.images.save(['demo:1'], bed.path('out.tar'), { originalBlobs: true })
    expect(docker?.manifest.digest).toBe(loaded?.manifest)
    await using other = await openBed()
    const [again] = await other.images.load(bed.path('out.tar'), { keepBlobs: true })
    expect(again?.manifest).toBe(loaded?.manifest)
  })

  test('of plain layers has the digests that it came with, without keeping blobs', async () => {
    const plain = makeImage([makeLayer('a', 'none'), makeLayer('b', 'none')])
    await using bed = await openBed()
    const [loaded] = await bed.images.load(pieces(tarOfFiles(layoutOf([{ image: plain }]))))
    const [saved] = await bed.images.save([plain.id], bed.path('oci'), { format: 'oci-layout' })
    expect(saved).toMatchObject({ original: true, manifest: { digest: loaded?.manifest } })
  })

  test('named by its id is saved with all its tags, named by a tag with that one', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(tarOfFiles(dockerArchiveOf([{ image, tags: ['a:1', 'a:2'] }]))))
    expect((await bed.images.save([image.id], bed.path('1')))[0]?.tags).toEqual(['a:1', 'a:2'])
    expect((await bed.images.save(['a:2'], bed.path('2')))[0]?.tags).toEqual(['a:2'])
  })

  test('replaces a file whole, and a failure leaves what was there', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(archive))
    await writeFile(bed.path('out.tar'), 'before')
    await expect(bed.images.save(['demo:1', 'nothing'], bed.path('out.tar'))).rejects.toMatchObject(
      {
        code: 'ERR_IMAGE_NOT_FOUND',
      },
    )
    expect(await readFile(bed.path('out.tar'), 'utf8')).toBe('before')
    await expect(
      bed.images.save(['nothing'], bed.path('oci'), { format: 'oci-layout' }),
    ).rejects.toMatchObject({ code: 'ERR_IMAGE_NOT_FOUND' })
    expect((await readdir(bed.path('.'))).sort()).toEqual(['out.tar', 'root'])
    await bed.images.save(['demo:1'], bed.path('out.tar'))
    expect((await readFile(bed.path('out.tar'))).length).toBeGreaterThan(5000)
  })

  test('never goes into a directory that holds something', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(archive))
    for (const format of ['oci-layout', 'docker-archive'] as const) {
      await expect(bed.images.save(['demo:1'], bed.root, { format })).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      })
    }
  })

  test('can be read half and given up without harm', async () => {
    await using bed = await openBed()
    await bed.images.load(pieces(archive))
    const reader = bed.images.archive(['demo:1'], { compression: 'gzip' }).getReader()
    await reader.read()
    await reader.read()
    await reader.cancel()
    expect((await bed.images.remove('demo:1')).layers.length).toBe(1)
    expect(await readdir(join(bed.root, 'varve/images/memory/work'))).toEqual([])
  })
})
