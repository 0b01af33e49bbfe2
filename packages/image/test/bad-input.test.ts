import { readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '@varve/core'
import { describe, expect, test } from 'vitest'
import { type Bed, openBed } from './support/bed.ts'
import {
  bytes,
  dockerArchiveOf,
  type Files,
  layoutOf,
  makeImage,
  makeLayer,
  pieces,
  tarOfFiles,
  writeFiles,
} from './support/make-image.ts'

const layers = [makeLayer('base'), makeLayer('middle', 'zstd'), makeLayer('top')]
const image = makeImage(layers)
const blobOf = (data: Uint8Array): string => `blobs/sha256/${digestOf(data).slice(7)}`
const topBlob = blobOf(layers[2]?.blob ?? new Uint8Array())

/** Loading these must fail with the code, leave nothing and find nothing wrong afterwards. */
async function refuses(files: Files | Uint8Array | string, code: string): Promise<void> {
  await using bed = await openBed()
  // An image that was there before must stay just as it was.
  const before = dockerArchiveOf([{ image: makeImage([makeLayer('base')]), tags: ['old:1'] }])
  await bed.images.load(pieces(tarOfFiles(before)))
  const state = await stateOf(bed)
  const source =
    typeof files === 'string' ? files : pieces(files instanceof Map ? tarOfFiles(files) : files)
  const failure = await bed.images.load(source, { keepBlobs: true }).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(failure).toMatchObject({ name: 'LayerError', code })
  expect(await stateOf(bed)).toEqual(state)
  expect(await Array.fromAsync(bed.images.check({ full: true }))).toEqual([])
  expect(await Array.fromAsync(bed.store.check({ full: true }))).toEqual([])
}

async function stateOf(bed: Bed): Promise<unknown> {
  const files = (await readdir(bed.root, { recursive: true })).filter(
    // Caches and empty directories are no state.
    (name) => /content.sha256.|repositories|manifests.|blobs.sha256.|work./.test(name),
  )
  return { files: files.sort(), layers: await bed.layers(), images: await bed.images.list() }
}

const layout = (change?: Parameters<typeof layoutOf>[0][number]['manifest']): Files =>
  layoutOf([{ image, ...(change ? { manifest: change } : {}) }])

const docker = (
  change: (item: { Config: string; Layers: string[]; RepoTags: unknown }) => void,
): Files =>
  dockerArchiveOf([{ image }], (items) => {
    change(items[0] as unknown as Parameters<typeof change>[0])
    return items
  })

describe('an OCI layout is refused', () => {
  test('without one of its blobs', async () => {
    const files = layout()
    files.delete(topBlob)
    await refuses(files, 'ERR_BLOB_NOT_FOUND')
  })

  test('with a blob of another digest', async () => {
    const files = layout()
    files.set(topBlob, makeLayer('tup').blob)
    await refuses(files, 'ERR_DIGEST_MISMATCH')
  })

  test('with one bit of a blob flipped, wherever it is', async () => {
    const good = layers[2]?.blob ?? new Uint8Array()
    for (const at of [0, 3, Math.floor(good.length / 2), good.length - 5, good.length - 1]) {
      const files = layout()
      const bad = Uint8Array.from(good)
      bad[at] = (bad[at] ?? 0) ^ 0x10
      files.set(topBlob, bad)
      await refuses(files, 'ERR_DIGEST_MISMATCH')
    }
  })

  test('with a blob that goes on after its compressed data, unless its digest says so', async () => {
    const files = layout()
    files.set(topBlob, Buffer.concat([layers[2]?.blob ?? new Uint8Array(), Buffer.alloc(512)]))
    await refuses(files, 'ERR_DIGEST_MISMATCH')
  })

  test.each(['gzip', 'zstd'] as const)(
    'with a %s blob that is as it should be, but corrupt',
    async (packing) => {
      const good = makeLayer('good', packing)
      const blob = Uint8Array.from(good.blob)
      blob.fill(0xff, blob.length >> 1, (blob.length >> 1) + 12)
      const bad = makeImage([layers[0] as (typeof layers)[0], { ...good, blob }])
      await refuses(layoutOf([{ image: bad }]), 'ERR_CORRUPT_COMPRESSION')
    },
  )

  test('with a blob cut short that is so by its digest', async () => {
    const good = makeLayer('good')
    const bad = makeImage([{ ...good, blob: good.blob.subarray(0, good.blob.length - 20) }])
    await refuses(layoutOf([{ image: bad }]), 'ERR_CORRUPT_COMPRESSION')
  })

  test('with a layer that is not the one its config names', async () => {
    const other = makeImage(layers, {
      rootfs: { type: 'layers', diff_ids: layers.map((_, i) => digestOf(`other ${i}`)) },
    })
    await refuses(layoutOf([{ image: other }]), 'ERR_DIGEST_MISMATCH')
  })

  test('with another number of layers than of DiffIDs', async () => {
    await refuses(
      layout((m) => ({ ...m, layers: (m.layers as unknown[]).slice(1) })),
      'ERR_INVALID_IMAGE',
    )
  })

  test('with a size that a blob does not have', async () => {
    const wrong = layout((m) => ({
      ...m,
      layers: (m.layers as { size: number }[]).map((layer) => ({ ...layer, size: layer.size + 1 })),
    }))
    await refuses(wrong, 'ERR_DIGEST_MISMATCH')
  })

  test.each([
    [
      'layer',
      (m: Record<string, unknown>) => ({
        ...m,
        layers: [{ ...(m.layers as object[])[0], mediaType: 'text/plain' }],
      }),
    ],
    [
      'encrypted layer',
      (m: Record<string, unknown>) => ({
        ...m,
        layers: [
          {
            ...(m.layers as object[])[0],
            mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip+encrypted',
          },
        ],
      }),
    ],
    [
      'config',
      (m: Record<string, unknown>) => ({
        ...m,
        config: { ...(m.config as object), mediaType: 'application/vnd.oci.empty.v1+json' },
      }),
    ],
    [
      'manifest',
      (m: Record<string, unknown>) => ({
        ...m,
        mediaType: 'application/vnd.docker.distribution.manifest.v1+json',
      }),
    ],
    [
      'inherited name',
      (m: Record<string, unknown>) => ({
        ...m,
        layers: [{ ...(m.layers as object[])[0], mediaType: 'constructor' }],
      }),
    ],
  ])('with an unknown media type of its %s', async (_, change) => {
    await refuses(layout(change), 'ERR_UNKNOWN_MEDIA_TYPE')
  })

  test('with a document that could be an index and a manifest (T19, CVE-2021-41190)', async () => {
    await refuses(
      layout((m) => ({ ...m, manifests: [] })),
      'ERR_INVALID_IMAGE',
    )
    const files = layout()
    const index = JSON.parse(new TextDecoder().decode(files.get('index.json')))
    files.set('index.json', bytes({ ...index, layers: [], config: {} }))
    await refuses(files, 'ERR_INVALID_IMAGE')
  })

  test('with a manifest that calls itself something else than its descriptor does', async () => {
    const mediaType = 'application/vnd.docker.distribution.manifest.v2+json'
    await refuses(
      layout((m) => ({ ...m, mediaType })),
      'ERR_INVALID_IMAGE',
    )
  })

  test.each([
    'sha256:../../../../etc/passwd',
    'sha256:..',
    'sha512:ab',
    `sha256:${'A'.repeat(64)}`,
    '',
  ])('with %j as a digest (T15)', async (digest) => {
    const change = (m: Record<string, unknown>) => ({
      ...m,
      config: { ...(m.config as object), digest },
    })
    await refuses(layout(change), 'ERR_INVALID_IMAGE')
  })

  test('with an index that holds itself by way of others without end', async () => {
    const files = layout()
    let inner = bytes({ schemaVersion: 2, manifests: [] })
    for (let i = 0; i < 20; i++) {
      files.set(blobOf(inner), inner)
      const entry = {
        mediaType: 'application/vnd.oci.image.index.v1+json',
        digest: digestOf(inner),
        size: inner.length,
      }
      inner = bytes({ schemaVersion: 2, manifests: [entry] })
    }
    files.set('index.json', inner)
    await refuses(files, 'ERR_LIMIT_EXCEEDED')
  })

  test('of a later version', async () => {
    const files = layout()
    files.set('oci-layout', bytes({ imageLayoutVersion: '2.0.0' }))
    await refuses(files, 'ERR_NOT_SUPPORTED')
  })

  test('whose documents are no JSON, too deep, too large or not UTF-8', async () => {
    const text = (data: string | Uint8Array): Files =>
      layout().set('index.json', typeof data === 'string' ? Buffer.from(data) : data)
    await refuses(text('{"schemaVersion":2,'), 'ERR_INVALID_IMAGE')
    await refuses(text('[]'), 'ERR_INVALID_IMAGE')
    await refuses(text('null'), 'ERR_INVALID_IMAGE')
    await refuses(text(Uint8Array.of(0x22, 0xff, 0x22)), 'ERR_INVALID_IMAGE')
    await refuses(text('['.repeat(100_000)), 'ERR_LIMIT_EXCEEDED')
    await refuses(text(' '.repeat(9 * 2 ** 20)), 'ERR_LIMIT_EXCEEDED')
  })

  test('whose blobs in a directory lead out of it', async () => {
    await using bed = await openBed()
    const directory = await writeFiles(layout(), bed.path('oci'))
    await writeFile(bed.path('secret'), layers[2]?.blob ?? '')
    const hostile = await writeFiles(
      new Map([...layout()].filter(([name]) => name !== topBlob)),
      bed.path('bad'),
    )
    await symlink(bed.path('secret'), join(hostile, topBlob))
    await refuses(hostile, 'ERR_UNSAFE_PATH')
    expect(await bed.images.load(directory)).toHaveLength(1)
  })
})

describe('a docker-archive is refused', () => {
  test.each(['../../../../etc/passwd', '/etc/passwd', 'a/../../b', ''])(
    'that names %j',
    async (name) => {
      await refuses(
        docker((item) => {
          item.Config = name
        }),
        'ERR_UNSAFE_PATH',
      )
      await refuses(
        docker((item) => {
          item.Layers[1] = name
        }),
        'ERR_UNSAFE_PATH',
      )
    },
  )

  test('with a layer that is a link to somewhere outside', async () => {
    const files = docker((item) => {
      item.Layers[0] = 'x/layer.tar'
    })
    for (const link of ['/etc/passwd', '../../etc/passwd']) {
      await refuses(
        tarOfFiles(files, [{ name: 'x/layer.tar', type: 'symlink', link }]),
        'ERR_UNSAFE_PATH',
      )
    }
  })

  test('with links that lead in a circle', async () => {
    const files = docker((item) => {
      item.Layers[0] = 'a'
    })
    const circle = [
      { name: 'a', type: 'symlink', link: 'b' },
      { name: 'b', type: 'symlink', link: 'a' },
    ]
    await refuses(tarOfFiles(files, circle), 'ERR_INVALID_IMAGE')
  })

  test('with an entry that would be written outside', async () => {
    const files = dockerArchiveOf([{ image }])
    await refuses(tarOfFiles(files, [{ name: '../evil', data: 'x' }]), 'ERR_UNSAFE_PATH')
  })

  test('with a name that is no tag', async () => {
    for (const tags of [['../x:y'], ['A:b'], [`a@${image.id}`]]) {
      await refuses(
        docker((item) => {
          item.RepoTags = tags
        }),
        'ERR_INVALID_IMAGE',
      )
    }
  })

  test('without a layer, with one too few, and with an altered config', async () => {
    await refuses(
      docker((item) => {
        item.Layers[2] = 'gone/layer.tar'
      }),
      'ERR_BLOB_NOT_FOUND',
    )
    await refuses(
      docker((item) => {
        item.Layers.pop()
      }),
      'ERR_INVALID_IMAGE',
    )
    const altered = dockerArchiveOf([{ image }])
    altered.set(`${image.id.slice(7)}.json`, makeImage(layers, { os: 'other' }).config)
    await refuses(altered, 'ERR_DIGEST_MISMATCH')
  })

  test('with layers in another order', async () => {
    await refuses(
      docker((item) => {
        item.Layers.reverse()
      }),
      'ERR_DIGEST_MISMATCH',
    )
  })

  test('that holds no image', async () => {
    await refuses(dockerArchiveOf([]), 'ERR_IMAGE_NOT_FOUND')
  })
})

describe('input is refused', () => {
  test('that was cut off, wherever', async () => {
    const tar = tarOfFiles(dockerArchiveOf([{ image }]))
    for (const length of [100, 512 + 17, 1500, tar.length - 1024 - 700]) {
      await expect(refuses(tar.subarray(0, length), 'ERR_TRUNCATED')).resolves.toBeUndefined()
    }
    // Cut between two entries it is a tar without an end, in which things are missing.
    const names = [...dockerArchiveOf([{ image }])].length
    expect(names).toBeGreaterThan(3)
    await refuses(tar.subarray(0, 0), 'ERR_INVALID_IMAGE')
  })

  test('that is no tar, or a tar of something else', async () => {
    await refuses(Buffer.from('hello world '.repeat(200)), 'ERR_INVALID_IMAGE')
    await refuses(new Map([['readme', Buffer.from('x')]]), 'ERR_INVALID_IMAGE')
    await refuses(new Uint8Array(10240), 'ERR_INVALID_IMAGE')
  })

  test('that is compressed by what is not known', async () => {
    const xz = Buffer.concat([Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), Buffer.alloc(1000)])
    await refuses(xz, 'ERR_NOT_SUPPORTED')
  })

  test('that is not there', async () => {
    await refuses('/nowhere/image.tar', 'ERR_IO')
  })

  test('with more layers than a chain may have', async () => {
    const deep = makeImage(Array.from({ length: 126 }, (_, i) => makeLayer(`layer-${i}`, 'none')))
    await refuses(layoutOf([{ image: deep }]), 'ERR_MAX_DEPTH')
  })

  test('when it is interrupted', async () => {
    await using bed = await openBed()
    const controller = new AbortController()
    const loading = bed.images.load(pieces(tarOfFiles(layout())), {
      signal: controller.signal,
      onProgress: ({ id }) => {
        if (id === digestOf(layers[1]?.tar ?? '')) controller.abort()
      },
    })
    await expect(loading).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(await bed.layers()).toEqual([])
    expect(await bed.images.list()).toEqual([])
  })

  test('whatever was altered in it: either it fails with a code, or every layer is right', async () => {
    const tar = tarOfFiles(
      layoutOf([{ image: makeImage([makeLayer('a'), makeLayer('b', 'none')]) }]),
    )
    let seed = 7
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31
      return seed % below
    }
    await using bed = await openBed()
    for (let round = 0; round < 60; round++) {
      const bad = Uint8Array.from(tar)
      for (let i = 0; i <= round % 3; i++) bad[random(bad.length)] = random(256)
      try {
        const loaded = await bed.images.load(pieces(bad))
        for (const { id } of loaded) {
          await Array.fromAsync(bed.images.archive([id]))
          await bed.images.remove(id)
        }
      } catch (error) {
        expect(error).toMatchObject({ name: 'LayerError', code: expect.stringMatching(/^ERR_/) })
        expect(error).not.toMatchObject({ code: 'ERR_INTERNAL' })
      }
      expect(await bed.layers()).toEqual([])
    }
  })
})
