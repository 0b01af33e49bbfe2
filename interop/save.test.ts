import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { startDocker } from './docker.ts'
import { DOCKER_TAGS, UMOCI_TAGS } from './images.ts'
import { run } from './run.ts'
import * as skopeo from './skopeo.ts'
import { treeOf } from './tree.ts'
import { freshVarve, topDirectory, type Varve } from './varve.ts'

const { dockerArchive, umociLayout, zstdLayout } = inject('images')
const dir = join(inject('workDir'), 'save')
const at = (name: string) => join(dir, name)

beforeAll(async () => {
  await rm(dir, { recursive: true, force: true })
  await mkdir(dir)
})
afterAll(() => rm(dir, { recursive: true }))

describe('images of docker save', () => {
  let varve: Varve
  beforeAll(async () => {
    varve = await freshVarve(at('docker-store'))
    await varve.load(dockerArchive)
    await varve('save', ...DOCKER_TAGS, '-o', at('docker.tar'))
  })
  afterAll(() => rm(varve.root, { recursive: true }))

  test('docker load takes what varve saves: the same image ids and layers', async () => {
    await using docker = await startDocker(at('docker'))
    const seen = async () =>
      Promise.all(
        DOCKER_TAGS.map((tag) =>
          docker('inspect', '--format', '{{.Id}} {{json .RootFS.Layers}}', tag),
        ),
      )
    await docker('load', '-i', dockerArchive)
    const original = await seen()
    // By name; nothing of them stays, so that every layer is read from varve's archive.
    await docker('rmi', ...DOCKER_TAGS)
    expect((await docker('images', '-aq')).trim()).toBe('')

    await docker('load', '-i', at('docker.tar'))
    expect(await seen()).toEqual(original)
  })

  test.for(DOCKER_TAGS)('skopeo takes what varve saves: %s', async (tag) => {
    const original = await skopeo.inspect(`docker-archive:${dockerArchive}:${tag}`)
    const saved = await skopeo.inspect(`docker-archive:${at('docker.tar')}:${tag}`)
    expect(saved.diffIDs).toEqual(original.diffIDs)
    await skopeo.copy(`docker-archive:${at('docker.tar')}:${tag}`, `dir:${at('dir')}`)
    await rm(at('dir'), { recursive: true })
  })

  test('saved as an OCI layout, umoci unpacks the files that varve has', async () => {
    await varve('save', 'debian:built', '--format', 'oci-layout', '-o', at('layout'))
    const [tag] = (await run('umoci', ['ls', '--layout', at('layout')])).trim().split('\n')
    await run('umoci', ['unpack', '--image', `${at('layout')}:${tag}`, at('bundle')])
    const ours = await treeOf(await topDirectory(varve, 'debian:built'))
    expect(await treeOf(at('bundle/rootfs'))).toEqual(ours)
  })
})

describe('images of umoci', () => {
  let varve: Varve
  beforeAll(async () => {
    varve = await freshVarve(at('umoci-store'))
    await varve.load(umociLayout, '--keep-blobs')
  })
  afterAll(() => rm(varve.root, { recursive: true }))

  test.for([
    ['oci-layout', 'oci:'],
    ['oci-archive', 'oci-archive:'],
  ])(
    'with its blobs kept, a saved %s has every digest it came with',
    async ([format = '', kind]) => {
      const original = await Promise.all(
        UMOCI_TAGS.map((tag) => skopeo.inspect(`oci:${umociLayout}:${tag}`)),
      )
      const images = await varve.images()
      for (const { diffIDs, manifest, blobs } of original) {
        const image = images.find((one) => `${one.diffIDs}` === `${diffIDs}`)
        await varve('save', image?.id ?? '', '--format', format, '-o', at('saved'))
        const saved = await skopeo.inspect(`${kind}${at('saved')}`)
        expect(saved).toEqual({ diffIDs, manifest, blobs })
        await skopeo.copy(`${kind}${at('saved')}`, `dir:${at('dir')}`)
        await rm(at('saved'), { recursive: true })
        await rm(at('dir'), { recursive: true })
      }
    },
  )

  test.for([
    ['none', 'cat'],
    ['gzip', 'gzip -dc'],
    ['zstd', 'zstd -dc'],
  ] as const)('written anew with compression %s, every DiffID is in it', async ([how, inflate]) => {
    const [image] = await varve.images()
    await varve(
      ...['save', image?.id ?? '', '--format', 'oci-layout', '--no-original-blobs'],
      ...['--compress', how, '-o', at('anew')],
    )
    await skopeo.copy(`oci:${at('anew')}`, `dir:${at('dir')}`)
    const { blobs, diffIDs } = await skopeo.inspect(`oci:${at('anew')}`)
    expect(diffIDs).toEqual(image?.diffIDs)
    for (const [i, blob] of blobs.entries()) {
      const file = join(at('anew'), 'blobs/sha256', blob.slice('sha256:'.length))
      const sum = await run('sh', ['-c', `${inflate} < "$1" | sha256sum`, 'sh', file])
      expect(`sha256:${sum.slice(0, 64)}`).toBe(diffIDs[i])
    }
    await rm(at('dir'), { recursive: true })
    await rm(at('anew'), { recursive: true })
  })

  test('umoci unpacks what varve saves as it unpacks its own', async () => {
    const { diffIDs } = await skopeo.inspect(`oci:${umociLayout}:edited`)
    const image = (await varve.images()).find((one) => `${one.diffIDs}` === `${diffIDs}`)
    await varve('tag', image?.id ?? '', 'debian:again')
    await varve('save', 'debian:again', '--format', 'oci-layout', '-o', at('layout-again'))
    const [tag] = (await run('umoci', ['ls', '--layout', at('layout-again')])).trim().split('\n')
    await run('umoci', ['unpack', '--image', `${at('layout-again')}:${tag}`, at('ours')])
    await run('umoci', ['unpack', '--image', `${umociLayout}:edited`, at('theirs')])
    expect(await treeOf(at('ours/rootfs'))).toEqual(await treeOf(at('theirs/rootfs')))
  })
})

test('zstd layers whose blobs are kept keep their digests', async () => {
  const varve = await freshVarve(at('zstd-store'))
  await varve.load(zstdLayout, '--keep-blobs')
  const [image] = await varve.images()
  await varve('save', image?.id ?? '', '--format', 'oci-archive', '-o', at('zstd.tar'))
  expect(await skopeo.inspect(`oci-archive:${at('zstd.tar')}`)).toEqual(
    await skopeo.inspect(`oci:${zstdLayout}:edited`),
  )
})
