import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { commitEdited, startDocker } from './docker.ts'
import { DOCKER_TAGS } from './images.ts'
import * as skopeo from './skopeo.ts'
import { treeOf } from './tree.ts'
import { freshVarve, tarDigest, topDirectory, varveOn } from './varve.ts'

const { dockerArchive } = inject('images')
const dir = join(inject('workDir'), 'docker-root')
const at = (name: string) => join(dir, name)

beforeAll(async () => {
  await rm(dir, { recursive: true, force: true })
  await mkdir(dir)
})
afterAll(() => rm(dir, { recursive: true }))

describe('a data root that dockerd wrote', () => {
  const docker = varveOn(at('theirs/data'), '--docker')
  beforeAll(async () => {
    await using daemon = await startDocker(at('theirs'))
    await daemon('load', '-i', dockerArchive)
  })

  test('opens, and every layer comes back with its DiffID', async () => {
    const before = await treeOf(docker.root)
    const images = await docker.images()
    expect(images.flatMap((image) => image.tags).sort()).toEqual([...DOCKER_TAGS].sort())
    for (const image of images) {
      const layers = await docker.layers(image.id)
      expect(layers.map((layer) => layer.diffID)).toEqual(image.diffIDs)
      for (const { chainID, diffID } of layers) {
        expect(await tarDigest(docker, chainID)).toBe(diffID)
      }
    }
    await docker('check', '--full')
    expect(await treeOf(docker.root)).toEqual(before)
  })

  test('holds the files that varve unpacks from the same image', async () => {
    const varve = await freshVarve(at('ours'))
    await varve.load(dockerArchive)
    for (const tag of DOCKER_TAGS) {
      const [ours, theirs] = [await topDirectory(varve, tag), await topDirectory(docker, tag)]
      expect(await treeOf(ours), tag).toEqual(await treeOf(theirs))
    }
  })
})

describe('a data root that varve wrote', () => {
  test('is read by dockerd, which builds on it, and then by varve', async () => {
    const varve = await freshVarve(at('both/data'))
    const loaded = await varve.load(dockerArchive)
    {
      await using docker = await startDocker(at('both'))
      for (const { id, tags, diffIDs } of loaded) {
        for (const tag of tags) {
          const [seenID, seenLayers = ''] = (
            await docker('inspect', '--format', '{{.Id}}|{{json .RootFS.Layers}}', tag)
          ).split('|')
          expect(seenID).toBe(id)
          expect(JSON.parse(seenLayers)).toEqual(diffIDs)
        }
      }
      // One by one: skopeo 1.9 cannot read what docker save writes for layers that images share.
      for (const tag of DOCKER_TAGS) {
        await docker('save', '-o', at('saved.tar'), tag)
        const original = await skopeo.inspect(`docker-archive:${dockerArchive}:${tag}`)
        const saved = await skopeo.inspect(`docker-archive:${at('saved.tar')}:${tag}`)
        expect(saved.diffIDs).toEqual(original.diffIDs)
        // Reads every layer and compares its digest.
        await skopeo.copy(`docker-archive:${at('saved.tar')}:${tag}`, `dir:${at('dir')}`)
        await rm(at('dir'), { recursive: true })
      }
      await commitEdited(docker, 'debian:built', 'debian:more', async (root) => {
        await mkdir(join(root, 'more'))
        await rm(join(root, 'opt/hello'))
      })
      await docker('rmi', 'debian:base')
    }

    const images = await varve.images()
    expect(images.flatMap((image) => image.tags).sort()).toEqual([
      'debian:built',
      'debian:edited',
      'debian:more',
    ])
    for (const { chainID, diffID } of await varve.layers('debian:more')) {
      expect(await tarDigest(varve, chainID)).toBe(diffID)
    }
    await varve('check', '--full')
  })
})
