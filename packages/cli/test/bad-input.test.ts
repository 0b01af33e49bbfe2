import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Entry, ociTar, sha256, tarOf } from './archives.ts'
import {
  contents,
  example,
  expectClean,
  jsonLines,
  scratch,
  suiteScratch,
  varve,
  varveHere,
} from './varve.ts'

const good = tarOf([{ name: 'file', content: 'content' }])
const image = ociTar({ layers: [good] })
const middle = (bytes: Uint8Array): number => Math.floor(bytes.length / 2)

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 0xff
  return copy
}

/** A docker-archive as old and new `docker save` write it, with the given manifest. */
function dockerTar(manifest: unknown, entries: readonly Entry[] = []): Uint8Array {
  const config = JSON.stringify({
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: [sha256(good)] },
  })
  return tarOf([
    { name: 'config.json', content: config },
    { name: 'layer.tar', content: good },
    ...entries,
    { name: 'manifest.json', content: JSON.stringify(manifest) },
  ])
}

const dockerManifest = (over: Record<string, unknown> = {}): unknown => [
  { Config: 'config.json', RepoTags: ['a:1'], Layers: ['layer.tar'], ...over },
]

let root: string
let before: unknown

beforeAll(async () => {
  root = join(await suiteScratch(), 'store')
  const load = await varve(['load', '-q', '-t', 'before:1', example], { root })
  expect(load.code).toBe(0)
  before = await contents(root)
})

/** Loads it into a store that holds an image; it must fail with `code` and change nothing. */
async function refuses(input: Uint8Array, code: RegExp): Promise<void> {
  const result = await varveHere(['load', '--json', '-'], { root, stdin: input })
  expect(result.stdout).toBe('')
  expect(result.code).toBe(1)
  const { error } = jsonLines(result.stderr)[0]
  expect(error.code).toMatch(code)
  expect(error.message).toMatch(/^Cannot /)
  expect(await contents(root)).toEqual(before)
  await expectClean(root)
}

test('the image that the others are broken from is good', async () => {
  const other = join(await scratch(), 'store')
  for (const stdin of [image, dockerTar(dockerManifest())]) {
    const { code, stderr } = await varveHere(['load', '-q', '-'], { root: other, stdin })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  }
  await expectClean(other)
})

describe('an archive that is', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['empty', new Uint8Array(0), /^ERR_INVALID_IMAGE$/],
    [
      'no archive',
      new TextEncoder().encode('not an image\n'.repeat(100)),
      /^ERR_INVALID_(IMAGE|TAR)$/,
    ],
    ['a tar without an image', good, /^ERR_INVALID_IMAGE$/],
    ['cut off', image.subarray(0, middle(image) + 100), /^ERR_TRUNCATED$/],
    ['gzip, cut off', gzipSync(image).subarray(0, 600), /^ERR_(TRUNCATED|CORRUPT_COMPRESSION)$/],
    [
      'gzip, damaged',
      flipped(gzipSync(image), middle(gzipSync(image))),
      /^ERR_(CORRUPT_COMPRESSION|DIGEST_MISMATCH|INVALID_TAR|INVALID_IMAGE)$/,
    ],
    [
      'zstd, damaged',
      flipped(zstdCompressSync(image), middle(zstdCompressSync(image))),
      /^ERR_(CORRUPT_COMPRESSION|DIGEST_MISMATCH|INVALID_TAR|INVALID_IMAGE)$/,
    ],
    [
      'of index.json without JSON',
      tarOf([
        { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
        { name: 'index.json', content: '{' },
      ]),
      /^ERR_INVALID_IMAGE$/,
    ],
    [
      'of a layout of a later version',
      ociTar({
        layers: [good],
        files: (files) => files.set('oci-layout', '{"imageLayoutVersion":"9.0.0"}'),
      }),
      /^ERR_(INVALID_IMAGE|NOT_SUPPORTED)$/,
    ],
  ])('%s', async (_what, input, code) => await refuses(input, code))
})

describe('a layout with', () => {
  const withLayer = (change: Record<string, unknown>): Uint8Array =>
    ociTar({
      layers: [good],
      manifest: (manifest) => ({ ...manifest, layers: [{ ...manifest.layers[0], ...change }] }),
    })

  test.each<[string, Uint8Array, RegExp]>([
    [
      'a blob that is not what its digest says',
      ociTar({
        layers: [good],
        files: (files) => {
          const name = `blobs/sha256/${sha256(gzipSync(good)).slice('sha256:'.length)}`
          files.set(name, gzipSync(tarOf([{ name: 'file', content: 'CONTENT' }])))
        },
      }),
      /^ERR_DIGEST_MISMATCH$/,
    ],
    [
      'a blob of another size',
      withLayer({ size: 7 }),
      /^ERR_(DIGEST_MISMATCH|INVALID_IMAGE|TRUNCATED)$/,
    ],
    ['a blob that is missing', withLayer({ digest: sha256('nobody') }), /^ERR_BLOB_NOT_FOUND$/],
    [
      'a digest that leads outside',
      withLayer({ digest: 'sha256:../../../../etc/passwd' }),
      /^ERR_(INVALID_IMAGE|INVALID_ARGUMENT)$/,
    ],
    [
      'an unknown media type',
      withLayer({ mediaType: 'application/x-floppy' }),
      /^ERR_UNKNOWN_MEDIA_TYPE$/,
    ],
    [
      'a layer that is not its DiffID',
      ociTar({ layers: [good], diffIDs: [sha256('other')] }),
      /^ERR_DIGEST_MISMATCH$/,
    ],
    [
      'fewer layers than DiffIDs',
      ociTar({ layers: [good], diffIDs: [sha256(good), sha256(good)] }),
      /^ERR_INVALID_IMAGE$/,
    ],
    [
      'a damaged gzip layer',
      ociTar({ layers: [good], compress: (tar) => flipped(gzipSync(tar), 30) }),
      /^ERR_(CORRUPT_COMPRESSION|DIGEST_MISMATCH|INVALID_TAR)$/,
    ],
    [
      'a damaged zstd layer',
      ociTar({
        layers: [good],
        layerType: 'application/vnd.oci.image.layer.v1.tar+zstd',
        compress: (tar) => flipped(zstdCompressSync(tar), 12),
      }),
      /^ERR_(CORRUPT_COMPRESSION|DIGEST_MISMATCH|INVALID_TAR)$/,
    ],
    [
      'a truncated layer',
      ociTar({ layers: [tarOf([{ name: 'f', content: 'x'.repeat(5000) }]).subarray(0, 2048)] }),
      /^ERR_TRUNCATED$/,
    ],
    [
      'a layer that is no tar',
      ociTar({ layers: [new TextEncoder().encode('z'.repeat(2000))] }),
      /^ERR_INVALID_TAR$/,
    ],
    [
      'a layer with a name that leads outside',
      ociTar({ layers: [tarOf([{ name: '../../outside', content: 'x' }])] }),
      /^ERR_UNSAFE_PATH$/,
    ],
    [
      '126 layers',
      ociTar({
        layers: Array.from({ length: 126 }, (_, i) => tarOf([{ name: `f${i}`, content: '' }])),
      }),
      /^ERR_(MAX_DEPTH|LIMIT_EXCEEDED)$/,
    ],
  ])('%s', async (_what, input, code) => await refuses(input, code))
})

describe('a docker-archive with', () => {
  test.each<[string, Uint8Array, RegExp]>([
    [
      'a config outside',
      dockerTar(dockerManifest({ Config: '../../../../etc/passwd' })),
      /^ERR_(UNSAFE_PATH|INVALID_IMAGE|BLOB_NOT_FOUND)$/,
    ],
    [
      'a layer outside',
      dockerTar(dockerManifest({ Layers: ['/etc/passwd'] })),
      /^ERR_(UNSAFE_PATH|INVALID_IMAGE|BLOB_NOT_FOUND)$/,
    ],
    [
      'a layer that links outside',
      dockerTar(dockerManifest({ Layers: ['l.tar'] }), [{ name: 'l.tar', linkTo: '/etc/passwd' }]),
      /^ERR_(UNSAFE_PATH|INVALID_IMAGE|BLOB_NOT_FOUND)$/,
    ],
    [
      'a layer that is missing',
      dockerTar(dockerManifest({ Layers: ['missing.tar'] })),
      /^ERR_BLOB_NOT_FOUND$/,
    ],
    ['a manifest of another shape', dockerTar({ Config: 7 }), /^ERR_INVALID_IMAGE$/],
    [
      'an impossible tag',
      dockerTar(dockerManifest({ RepoTags: ['../../x:1'] })),
      /^ERR_(INVALID_IMAGE|INVALID_ARGUMENT)$/,
    ],
  ])('%s', async (_what, input, code) => await refuses(input, code))
})

describe('a root that', () => {
  test.each([
    ['is not a store', 'thesis.tex', 'mine', 'ERR_NOT_A_STORE'],
    ['is of a newer version', 'varve/version', '{"formatVersion":99}', 'ERR_STORE_VERSION'],
    ['has a damaged version', 'varve/version', '', 'ERR_CORRUPT_METADATA'],
  ])('%s is left alone', async (_what, file, content, code) => {
    const root = await scratch()
    await mkdir(join(root, 'varve'))
    await writeFile(join(root, file), content)
    for (const args of [['load', example], ['images'], ['check', '--repair'], ['prune']]) {
      const result = await varveHere([...args, '--json'], { root })
      expect(result.code).toBe(1)
      expect(jsonLines(result.stderr)[0].error.code).toBe(code)
    }

    expect((await readdir(root)).length).toBeLessThanOrEqual(2)
  })
})

test('a file that is not there is an error that names it', async () => {
  const root = join(await scratch(), 'store')
  const { code, stderr } = await varve(['load', '/no/such/image.tar'], { root })
  expect(code).toBe(1)
  expect(stderr).toContain('/no/such/image.tar')
  expect(stderr.split('\n')[0]).toMatch(/^varve: cannot /)
  // Nor was a store made for it.
  expect(await contents(root)).toBe('no store')
})
