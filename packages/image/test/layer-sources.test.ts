import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { collect, type DiffID, digestOf } from '@varve/core'
import type { LayerSources } from '@varve/image'
import { expect, test } from 'vitest'
import { type Bed, openBed } from './support/bed.ts'
import {
  dockerArchiveOf,
  type Files,
  layoutOf,
  type MadeLayer,
  makeImage,
  makeLayer,
  pieces,
  tarOfFiles,
  writeFiles,
} from './support/make-image.ts'

const base = makeLayer('base')
const top = makeLayer('top', 'zstd')
const image = makeImage([base, top])
const arm = makeImage([makeLayer('arm', 'none')], { architecture: 'arm64' })
const riscv = makeImage([makeLayer('riscv')], { architecture: 'riscv64' })

async function archive(bed: Bed, name: string, files: Files): Promise<string> {
  await writeFile(bed.path(name), tarOfFiles(files))
  return bed.path(name)
}

/** Every tar that there is for a layer, as its digest, or what is wrong with it. */
async function found(sources: LayerSources, { tar }: MadeLayer): Promise<string[]> {
  const digests: string[] = []
  for await (const bytes of sources.tars(digestOf(tar) as DiffID)) {
    digests.push(
      await collect(bytes, 2 ** 20).then(
        (whole) => (digestOf(whole) === digestOf(tar) ? 'whole' : 'other'),
        (error: { code?: string }) => error.code ?? String(error),
      ),
    )
  }
  return digests
}

test('layers are had from kept blobs, however they are packed', async () => {
  await using bed = await openBed()
  await bed.images.load(pieces(tarOfFiles(layoutOf([{ image }]))), { keepBlobs: true })
  await using sources = await bed.images.layerSources()
  expect(await found(sources, base)).toEqual(['whole'])
  expect(await found(sources, top)).toEqual(['whole'])
  expect(await found(sources, makeLayer('unknown'))).toEqual([])
})

test('a blob that was not kept, or has another size, is no source', async () => {
  await using bed = await openBed()
  await bed.images.load(pieces(tarOfFiles(layoutOf([{ image: arm }]))))
  await bed.images.load(pieces(tarOfFiles(layoutOf([{ image }]))), { keepBlobs: true })
  const [blob] = (await bed.images.get(image.id)).layers.map((layer) => layer.blob)
  const files = await readdir(bed.root, { recursive: true, withFileTypes: true })
  const kept = files.find(({ name }) => name === blob?.digest.slice(7))
  await writeFile(join(kept?.parentPath ?? '', kept?.name ?? ''), 'cut')
  await using sources = await bed.images.layerSources()
  expect(await found(sources, base)).toEqual([])
  expect(await found(sources, top)).toEqual(['whole'])
  expect(await found(sources, arm.layers[0] as MadeLayer)).toEqual([])
})

test('archives and layouts give the layers of every platform, before kept blobs', async () => {
  await using bed = await openBed()
  const layout = layoutOf([
    { image: arm, platform: { os: 'linux', architecture: 'arm64' } },
    { image, platform: { os: 'linux', architecture: 'amd64' } },
    { image: riscv, platform: { os: 'linux', architecture: 'riscv64' } },
  ])
  // Copied in part: without one manifest, and without a layer.
  for (const [name, bytes] of layout) {
    const isRiscv = new TextDecoder().decode(bytes).includes(riscv.id)
    if (isRiscv && name.startsWith('blobs/')) layout.delete(name)
  }
  layout.delete(`blobs/sha256/${digestOf(top.blob).slice(7)}`)
  await bed.images.load(pieces(tarOfFiles(layoutOf([{ image }]))), { keepBlobs: true })
  await using sources = await bed.images.layerSources([
    await archive(bed, 'docker.tar', dockerArchiveOf([{ image }])),
    await writeFiles(layout, bed.path('layout')),
  ])
  expect(await found(sources, base)).toEqual(['whole', 'whole', 'whole'])
  expect(await found(sources, top)).toEqual(['whole', 'whole'])
  expect(await found(sources, arm.layers[0] as MadeLayer)).toEqual(['whole'])
  expect(await found(sources, riscv.layers[0] as MadeLayer)).toEqual([])
})

test('a damaged blob of an archive is told by an error, never by a short end', async () => {
  await using bed = await openBed()
  const files = layoutOf([{ image }])
  const altered = Uint8Array.from(base.blob)
  altered[altered.length >> 1] = (altered[altered.length >> 1] ?? 0) ^ 1
  files.set(`blobs/sha256/${digestOf(base.blob).slice(7)}`, altered)
  await using sources = await bed.images.layerSources([await archive(bed, 'a.tar', files)])
  expect(await found(sources, base)).toEqual(['ERR_DIGEST_MISMATCH'])
  expect(await found(sources, top)).toEqual(['whole'])
})

test('what is no image is refused, and nothing is left', async () => {
  await using bed = await openBed()
  await writeFile(bed.path('none.tar'), 'no tar')
  const good = await archive(bed, 'good.tar', layoutOf([{ image }]))
  await expect(bed.images.layerSources([good, bed.path('none.tar')])).rejects.toMatchObject({
    name: 'LayerError',
  })
  {
    await using sources = await bed.images.layerSources([good])
    expect(await found(sources, base)).toEqual(['whole'])
  }
  const left = await readdir(bed.root, { recursive: true, withFileTypes: true }).catch(() => [])
  expect(left.filter((entry) => /^[0-9a-f]{16}$/.test(entry.name))).toEqual([])
  await rm(good)
})
