import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { ociTar, tarOf } from './archives.ts'
import {
  contents,
  example,
  exampleDocker,
  expectClean,
  jsonLines,
  ok,
  scratch,
  suiteScratch,
  varve,
} from './varve.ts'

const TAG = 'example/world-clock:1.0'
const DIGEST = /^sha256:[0-9a-f]{64}$/

describe('an image made by umoci', () => {
  let root: string
  let id: string

  beforeAll(async () => {
    root = join(await suiteScratch(), 'store')
    id = (await ok(['load', '-q', '--keep-blobs', '-t', TAG, example], { root })).trim()
  })

  test('load -q prints its id and nothing else', () => {
    expect(id).toMatch(DIGEST)
  })

  test('loading it again says that it is here', async () => {
    const out = await ok(['load', example, '-t', TAG], { root })
    expect(out).toContain('already here')
    expect(out).toContain('4 of them here before')
  })

  test('images lists it, for people and for programs', async () => {
    const table = await ok(['images'], { root })
    expect(table.split('\n')[0]).toMatch(/^IMAGE +ID +PLATFORM +LAYERS +SIZE +CREATED$/)
    expect(table).toContain(TAG)
    const [image] = jsonLines(await ok(['images', '--json'], { root }))
    expect(image).toMatchObject({ id, tags: [TAG], platform: 'linux/amd64', layers: 4 })
    expect(await ok(['images', '-q'], { root })).toBe(`${id}\n`)
    expect(await ok(['ls', '--format', '{{.ID}} {layers}'], { root })).toBe(`${id} 4\n`)
  })

  test.each([
    ['its tag', () => TAG],
    ['its id', () => id],
    ['the beginning of its id', () => id.slice('sha256:'.length, 'sha256:'.length + 6)],
  ])('is found by %s', async (_by, ref) => {
    const [details] = JSON.parse(await ok(['inspect', ref()], { root }))
    expect(details).toMatchObject({ id, config: { os: 'linux' } })
    expect(details.layers).toHaveLength(4)
  })

  test('inspect --raw config gives the very bytes that the id is the digest of', async () => {
    const { createHash } = await import('node:crypto')
    const { bytes } = await varve(['inspect', '--raw', 'config', TAG], { root })
    expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(id)
  })

  test('history tells the steps, newest first, one of them without a layer', async () => {
    const steps = jsonLines(await ok(['history', '--json', TAG], { root }))
    expect(steps.map((step) => step.diffID !== undefined)).toEqual([true, true, false, true, true])
    expect(steps[4].createdBy).toBe('the tz database of Debian tzdata')
    expect(await ok(['history', TAG], { root })).toContain('configuration only, no layer')
  })

  test('layers lists the stack, base first, with the kept blobs', async () => {
    const layers = jsonLines(await ok(['layers', '--json', TAG], { root }))
    const [details] = JSON.parse(await ok(['inspect', TAG], { root }))
    expect(layers.map((layer) => layer.diffID)).toEqual(details.config.rootfs.diff_ids)
    expect(layers.every((layer) => layer.blobKept)).toBe(true)
    expect(await ok(['layers', TAG], { root })).toContain('(kept)')
  })

  test('tree draws the chain with the image on its top layer', async () => {
    const lines = (await ok(['tree'], { root })).trimEnd().split('\n')
    expect(lines).toHaveLength(4)
    expect(lines[3]).toMatch(/^● [0-9a-f]{12} +[\d.]+ k?B {2}← example\/world-clock:1\.0$/)
    const [base] = jsonLines(await ok(['tree', '--json', TAG], { root }))
    expect(base.children[0].children[0].children[0].images).toEqual([{ id, tags: [TAG] }])
  })

  test('df counts each layer once', async () => {
    const [layers, blobs] = jsonLines(await ok(['df', '--json'], { root }))
    expect(layers).toMatchObject({ kind: 'layers', count: 4, reclaimable: 0 })
    expect(blobs.count).toBeGreaterThanOrEqual(4)
    const [image] = jsonLines(await ok(['df', '-v', '--json'], { root }))
    expect(image.unique).toBe(image.size)
  })

  test('info tells where and how', async () => {
    const [info] = jsonLines(await ok(['info', '--json'], { root }))
    expect(info).toMatchObject({ root, images: 1, layers: 4, readOnly: false })
    expect(info.drivers).toContain(info.driver)
    expect(await ok(['info'], { root })).toMatch(/^max depth: +\d+$/m)
  })

  test('check --full finds nothing', async () => {
    expect(await ok(['check', '--full'], { root })).toBe('no problems: every byte was read\n')
    await expectClean(root)
  })

  test('saved as OCI it is the image that came, manifest and blobs included', async () => {
    const folder = await scratch()
    const saved = join(folder, 'saved')
    const [result] = jsonLines(
      await ok(['save', '--json', '--format', 'oci-layout', '-o', saved, TAG], { root }),
    )
    const [details] = JSON.parse(await ok(['inspect', TAG], { root }))
    expect(result).toMatchObject({ id, original: true, manifest: { digest: details.manifest } })
    for (const layer of details.layers) {
      const blob = join(saved, 'blobs/sha256', layer.blob.digest.slice('sha256:'.length))
      expect((await stat(blob)).size).toBe(layer.blob.size)
    }
  })

  test('saved as docker-archive and loaded elsewhere it has the same id', async () => {
    const { bytes } = await varve(['save', TAG], { root })
    const other = join(await scratch(), 'other')
    expect(await ok(['load', '-q', '-'], { root: other, stdin: bytes })).toBe(`${id}\n`)
    expect(jsonLines(await ok(['images', '--json'], { root: other }))[0].tags).toEqual([TAG])
  })

  test('docker-archive and OCI layout of one image are one image', async () => {
    const other = join(await scratch(), 'other')
    const [viaDocker] = jsonLines(await ok(['load', '--json', exampleDocker], { root: other }))
    expect(viaDocker.id).toBe(id)
    const { bytes } = await varve(['save', '--format', 'oci-archive', id], { root: other })
    const third = join(await scratch(), 'third')
    expect(await ok(['load', '-q', '-'], { root: third, stdin: bytes })).toBe(`${id}\n`)
  })

  test('an unpacked layout is loaded from its directory', async () => {
    const folder = await scratch()
    await ok(['save', '--format', 'oci-layout', '-o', join(folder, 'layout'), TAG], { root })
    const other = join(folder, 'store')
    expect(await ok(['load', '-q', join(folder, 'layout')], { root: other })).toBe(`${id}\n`)
  })
})

describe('names', () => {
  test('tag, and rm until the last name takes the image and its layers along', async () => {
    const root = join(await scratch(), 'store')
    await ok(['load', '--driver', 'vfs', '-t', 'one:1', example], { root })
    await ok(['tag', 'one:1', 'two:2', 'three:3'], { root })
    expect(jsonLines(await ok(['images', '--json'], { root }))[0].tags).toEqual([
      'one:1',
      'three:3',
      'two:2',
    ])
    expect(await ok(['rm', 'one:1', 'two:2'], { root })).toBe('untagged: one:1\nuntagged: two:2\n')
    expect(await ok(['layer', 'ls', '-q'], { root })).not.toBe('')
    expect(await ok(['rm', 'three:3'], { root })).toMatch(/removed: [0-9a-f]{12} and 4 layers/)
    expect(await contents(root)).toEqual({ layers: [], images: [] })
    // Nothing of it is left on the disk either.
    expect(await readdir(join(root, 'vfs/dir'))).toEqual([])
  })

  test('an unknown image is an error that says so', async () => {
    const root = join(await scratch(), 'store')
    await ok(['load', '-q', example], { root })
    for (const verb of ['inspect', 'history', 'rm', 'save', 'layers', 'tree']) {
      const args = verb === 'save' ? ['save', '-o', join(root, 'x'), 'nobody'] : [verb, 'nobody']
      const { code, stderr } = await varve([...args, '--json'], { root })
      expect({ verb, code }).toEqual({ verb, code: 1 })
      expect(jsonLines(stderr)[0].error.code).toBe('ERR_IMAGE_NOT_FOUND')
    }
  })
})

describe('prune', () => {
  test('--dry-run says what would go, prune removes it, images with names stay', async () => {
    const root = join(await scratch(), 'store')
    const small = (content: string): Uint8Array =>
      ociTar({ layers: [tarOf([{ name: 'file', content }])] })
    await ok(['load', '-', '-t', 'kept:1'], { root, stdin: small('kept') })
    await ok(['load', '-', '-t', 'lost:1'], { root, stdin: small('first') })
    // The name goes to another image, which leaves the first without one.
    await ok(['load', '-', '-t', 'lost:1'], { root, stdin: small('second') })
    await ok(['layer', 'register', '-'], { root, stdin: tarOf([{ name: 'x', content: 'alone' }]) })
    const before = await contents(root)

    const [plan] = jsonLines(await ok(['prune', '--dry-run', '--json'], { root }))
    expect(plan).toMatchObject({ dryRun: true })
    expect(plan.deleted).toHaveLength(1)
    expect(plan.layers).toHaveLength(2)
    expect(await contents(root)).toEqual(before)

    const out = await ok(['prune'], { root })
    expect(out).toContain('removed 1 image, 2 layers')
    const left = jsonLines(await ok(['images', '--json'], { root }))
    expect(left.map((image) => image.tags).sort()).toEqual([['kept:1'], ['lost:1']])
    expect(await ok(['prune', '--json'], { root })).toContain('"deleted":[]')

    await ok(['prune', '--all'], { root })
    expect(await contents(root)).toEqual({ layers: [], images: [] })
  })
})

describe('several platforms', () => {
  test('--platform chooses, and an absent one is an error', async () => {
    const root = join(await scratch(), 'store')
    const image = ociTar({
      layers: [tarOf([{ name: 'file', content: 'arm' }])],
      platform: { os: 'linux', architecture: 'arm64' },
      files: (files) => {
        const index = JSON.parse(String(files.get('index.json')))
        index.manifests[0].platform = { os: 'linux', architecture: 'arm64' }
        files.set('index.json', JSON.stringify(index))
      },
    })
    const wrong = await varve(['load', '--platform', 'linux/s390x', '-', '--json'], {
      root,
      stdin: image,
    })
    expect(wrong.code).toBe(1)
    expect(jsonLines(wrong.stderr)[0].error.code).toBe('ERR_IMAGE_NOT_FOUND')
    await ok(['load', '--platform', 'linux/arm64', '-'], { root, stdin: image })
    expect(jsonLines(await ok(['images', '--json'], { root }))[0].platform).toBe('linux/arm64')
  })
})

describe('several files', () => {
  test('each is loaded; a wrong one stops, and what came before it stays', async () => {
    const folder = await scratch()
    const root = join(folder, 'store')
    await writeFile(join(folder, 'wrong.tar'), 'this is no image')
    const { code } = await varve(['load', exampleDocker, join(folder, 'wrong.tar')], { root })
    expect(code).toBe(1)
    expect(jsonLines(await ok(['images', '--json'], { root }))).toHaveLength(1)
  })
})

test('the library opens the same store', async () => {
  const root = join(await scratch(), 'store')
  await ok(['load', '-q', example], { root })
  const { open } = await import('../src/index.ts')
  await using opened = await open({ root })
  expect(await opened.images.list()).toHaveLength(1)
})
