import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { DOCKER_TAGS, UMOCI_TAGS } from './images.ts'
import * as skopeo from './skopeo.ts'
import { freshVarve, tarDigest, type Varve } from './varve.ts'

const { dockerArchive, dockerSingle, umociLayout, zstdLayout, plainLayout, ociArchive } =
  inject('images')
const workDir = inject('workDir')

/** Each source, and its images as skopeo, which has no part in varve, names and reads them. */
const sources: Record<string, { file: string; images: readonly string[] }> = {
  'docker save, three images that share layers': {
    file: dockerArchive,
    images: DOCKER_TAGS.map((tag) => `docker-archive:${dockerArchive}:${tag}`),
  },
  'docker save, one image': {
    file: dockerSingle,
    images: [`docker-archive:${dockerSingle}:debian:edited`],
  },
  'umoci, an OCI layout of gzip layers': {
    file: umociLayout,
    images: UMOCI_TAGS.map((tag) => `oci:${umociLayout}:${tag}`),
  },
  'skopeo, an OCI layout of zstd layers': {
    file: zstdLayout,
    images: [`oci:${zstdLayout}:edited`],
  },
  // skopeo 1.9 says that these plain layers are gzip.
  'skopeo, an OCI layout of plain layers': {
    file: plainLayout,
    images: [`oci:${plainLayout}:edited`],
  },
  'skopeo, an OCI layout as a tar': {
    file: ociArchive,
    images: [`oci-archive:${ociArchive}:edited`],
  },
}

describe('images of other tools load, and each layer comes back with its DiffID', () => {
  test.for(Object.entries(sources))('%s', async ([, { file, images }]) => {
    const varve = await freshVarve(join(workDir, 'store'))
    const loaded = await varve.load(file)
    expect(loaded).toHaveLength(images.length)

    const wanted = await Promise.all(images.map((image) => skopeo.inspect(image)))
    const byStack = (a: readonly string[], b: readonly string[]) => `${a}`.localeCompare(`${b}`)
    expect(loaded.map((image) => image.diffIDs).sort(byStack)).toEqual(
      wanted.map((image) => image.diffIDs).sort(byStack),
    )
    await expectEveryTar(varve)
    await varve('check', '--full')
    await rm(varve.root, { recursive: true })
  })
})

async function expectEveryTar(varve: Varve): Promise<void> {
  const seen = new Set<string>()
  for (const image of await varve.images()) {
    for (const { chainID, diffID } of await varve.layers(image.id)) {
      if (!seen.has(chainID)) expect(await tarDigest(varve, chainID)).toBe(diffID)
      seen.add(chainID)
    }
  }
  expect(seen.size).toBeGreaterThan(0)
}
