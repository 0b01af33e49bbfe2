import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExportedImage, MigratedImage } from '@varve/graph'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { app, base, old, other, writeOldRoot } from '../packages/graph/test/support/old-root.ts'
import { type Docker, startDocker } from './docker.ts'
import { freshVarve, type Varve } from './varve.ts'

const { dockerArchive } = inject('images')
const dir = join(inject('workDir'), 'graph')
const at = (name: string) => join(dir, name)

let varve: Varve
let docker: Docker
beforeAll(async () => {
  await rm(dir, { recursive: true, force: true })
  await mkdir(dir)
  varve = await freshVarve(at('store'))
  docker = await startDocker(at('docker'))
})
afterAll(async () => {
  await docker[Symbol.asyncDispose]()
  await rm(dir, { recursive: true })
})

/** Id and DiffIDs of an image, as Docker has it. */
async function seen(image: string): Promise<{ id: string; layers: string[] }> {
  const text = await docker(
    'inspect',
    '--format',
    '{"id":"{{.Id}}","layers":{{json .RootFS.Layers}}}',
    image,
  )
  return JSON.parse(text)
}

/** Only what an archive brings is there. */
async function emptyDocker(): Promise<void> {
  await docker('image', 'prune', '-a', '-f')
}

describe('a data root of Docker 1.9', () => {
  let migrated: MigratedImage[]
  const idOf = (image: { readonly id: string }) =>
    migrated.find((one) => one.id === image.id)?.imageID

  beforeAll(async () => {
    writeOldRoot(at('old'))
    migrated = await varve.json<MigratedImage>('graph', 'migrate', at('old'))
  })

  test('docker load takes an image that was migrated and saved, with the same id', async () => {
    await emptyDocker()
    await varve('save', 'app:latest', '-o', at('app.tar'))
    await docker('load', '-i', at('app.tar'))
    const image = (await varve.images()).find((one) => one.tags.includes('app:latest'))
    expect(await seen('app:latest')).toEqual({ id: image?.id, layers: image?.diffIDs })
    expect(image?.id).toBe(idOf(app))
  })

  test.for([
    ['of one step more, parents by id', app],
    ['whose parent is named by digest', other],
    ['of before 1.8.3, that Docker writes anew', old],
    ['that others stand on', base],
  ] as const)('docker load gives the ids that migrate gives: an image %s', async ([, image]) => {
    await emptyDocker()
    await varve('graph', 'save', at('old'), image.id, '-o', at('v1.tar'))
    const said = await docker('load', '-i', at('v1.tar'))
    expect(said).not.toContain('rror')
    const ids = (await docker('images', '-aq', '--no-trunc')).trim().split('\n')
    expect(ids).toContain(idOf(image))
    const [loaded] = await varve.load(at('v1.tar'))
    expect(loaded).toMatchObject({ id: idOf(image), existed: true })
  })
})

describe('a real image, exported for Docker 1.9', () => {
  test('docker load and varve load take it, with every DiffID and one id', async () => {
    await emptyDocker()
    await varve.load(dockerArchive)
    const original = (await varve.images()).find((one) => one.tags.includes('debian:built'))
    const [exported] = await varve.json<ExportedImage>(
      'graph',
      'export',
      at('made'),
      'debian:built',
    )
    expect(exported?.layers).toHaveLength(original?.diffIDs.length ?? 0)
    await varve('graph', 'save', at('made'), 'debian:built', '-o', at('v1.tar'))
    await docker('load', '-i', at('v1.tar'))
    const there = await seen('debian:built')
    expect(there.layers).toEqual(original?.diffIDs)
    const [loaded] = await varve.load(at('v1.tar'))
    expect(loaded).toMatchObject({ id: there.id, diffIDs: there.layers })
    const migrated = await varve.json<MigratedImage>('graph', 'migrate', at('made'), 'debian:built')
    expect(migrated.at(-1)).toMatchObject({ imageID: there.id, existed: true })
    await varve('check', '--full')
  })
})
