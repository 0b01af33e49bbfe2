import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newCacheID } from '@varve/core'
import { expect, test } from 'vitest'
import { metadataFs } from '../src/index.ts'
import { newLayer, newMount, put, putMount, scratch, text, tree } from './stack.ts'

test('a layerdb of Docker is read without a trace', async () => {
  using place = scratch()
  const base = newLayer()
  const top = newLayer(base.chainID)
  const mount = newMount('box', { parent: top.chainID })
  {
    await using metadata = await metadataFs({ root: place.root })
    await put(metadata, base, 'record')
    await put(metadata, top)
    await putMount(metadata, mount)
  }
  rmSync(join(place.root, 'varve'), { recursive: true })
  const before = tree(place.root)

  await using docker = await metadataFs({ root: place.root, readOnly: true })
  expect(await docker.layer(top.chainID)).toEqual(top)
  expect(await Array.fromAsync(docker.mounts())).toEqual([mount])
  expect(await text(await docker.tarSplit(base.chainID))).toBe('record')
  await docker.lock('exclusive', async () => {
    await docker.hold(top.chainID)
    expect(await docker.heldElsewhere(top.chainID)).toBe(false)
    expect(await docker.interrupted()).toEqual([])
    expect((await docker.intended()).size).toBe(0)
    await docker.unhold(top.chainID)
  })
  expect(await docker.unverified()).toEqual([])
  expect(await docker.unsynced()).toEqual([])
  expect(tree(place.root)).toEqual(before)
})

test('reading only, every change is refused', async () => {
  using place = scratch()
  const layer = newLayer()
  {
    await using metadata = await metadataFs({ root: place.root })
    await put(metadata, layer)
  }
  await using metadata = await metadataFs({ root: place.root, readOnly: true })
  const refused = { code: 'ERR_PERMISSION' }
  await expect(metadata.begin([newCacheID()])).rejects.toMatchObject(refused)
  await expect(
    metadata.lock('exclusive', () => metadata.retire([layer.chainID])),
  ).rejects.toMatchObject(refused)
  await expect(
    metadata.lock('exclusive', () => metadata.setAside({ kind: 'mount', subject: 'x' })),
  ).rejects.toMatchObject(refused)
  await expect(metadata.markSynced([])).rejects.toMatchObject(refused)
})

test('what changes, by a store or by Docker, changes the revision that a reader sees', async () => {
  using place = scratch()
  await using writer = await metadataFs({ root: place.root })
  await using reader = await metadataFs({ root: place.root, readOnly: true })
  const first = await reader.lock('shared', () => reader.revision())
  const layer = newLayer()
  await put(writer, layer)
  const second = await reader.lock('shared', () => reader.revision())
  expect(second).not.toBe(first)
  const dir = join(place.root, 'sha256')
  rmSync(join(dir, layer.chainID.slice('sha256:'.length)), { recursive: true })
  expect(await reader.lock('shared', () => reader.revision())).not.toBe(second)
})

test('there must be something to read', async () => {
  using place = scratch()
  const refused = { code: 'ERR_NOT_A_STORE' }
  await expect(metadataFs({ root: place.root, readOnly: true })).rejects.toMatchObject(refused)
  writeFileSync(place.root, '')
  await expect(metadataFs({ root: place.root, readOnly: true })).rejects.toMatchObject(refused)
})
