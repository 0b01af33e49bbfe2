import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { digestOf, LayerError } from '@varve/core'
import { expect, test } from 'vitest'
import { metadataFs } from '../src/index.ts'
import { hex, newLayer, newMount, put, putMount, scratch, text, tree } from './stack.ts'

test('a layer and a mount are on disk exactly as Docker writes them', async () => {
  using place = scratch()
  await using metadata = await metadataFs({ root: place.root })
  const base = newLayer(undefined, { diffSize: 4096 })
  const top = newLayer(base.chainID, {
    descriptor: { mediaType: 'application/x', digest: digestOf('blob'), size: 5, urls: ['u'] },
  })
  const mount = newMount('c0ffee', { parent: top.chainID })
  await put(metadata, base, 'record\n')
  await put(metadata, top)
  await putMount(metadata, mount)

  const found = tree(place.root)
  const record = `sha256/${hex(base.chainID)}/tar-split.json.gz`
  const zipped = readFileSync(join(place.root, record))
  expect(zipped.subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff')
  expect(gunzipSync(zipped).toString()).toBe('record\n')
  expect(found[record]?.slice(0, 4)).toBe('644 ')
  delete found[record]
  for (const path of Object.keys(found)) if (path.startsWith('varve/')) delete found[path]
  expect(found).toEqual({
    'sha256/': '755',
    [`sha256/${hex(base.chainID)}/`]: '700',
    [`sha256/${hex(base.chainID)}/cache-id`]: `644 ${base.cacheID}`,
    [`sha256/${hex(base.chainID)}/diff`]: `644 ${base.diffID}`,
    [`sha256/${hex(base.chainID)}/size`]: '644 4096',
    [`sha256/${hex(top.chainID)}/`]: '700',
    [`sha256/${hex(top.chainID)}/cache-id`]: `644 ${top.cacheID}`,
    [`sha256/${hex(top.chainID)}/diff`]: `644 ${top.diffID}`,
    [`sha256/${hex(top.chainID)}/size`]: '644 12',
    [`sha256/${hex(top.chainID)}/parent`]: `644 ${base.chainID}`,
    [`sha256/${hex(top.chainID)}/descriptor.json`]: `644 {"mediaType":"application/x","digest":"${digestOf('blob')}","size":5,"urls":["u"]}`,
    'tmp/': '755',
    'mounts/': '755',
    'mounts/c0ffee/': '755',
    'mounts/c0ffee/mount-id': `644 ${mount.mountID}`,
    'mounts/c0ffee/init-id': `644 ${mount.initID}`,
    'mounts/c0ffee/parent': `644 ${top.chainID}`,
  })
  expect(tree(place.dir)['layerdb/']).toBe('700')
})

test('white space at the ends of a file and files of other names are ignored', async () => {
  using place = scratch()
  await using metadata = await metadataFs({ root: place.root })
  const layer = newLayer()
  await put(metadata, layer)
  const dir = join(place.root, 'sha256', hex(layer.chainID))
  for (const name of ['diff', 'size', 'cache-id']) {
    writeFileSync(join(dir, name), `\t${readFileSync(join(dir, name))} \r\n`)
  }
  writeFileSync(join(dir, 'something-else'), '')
  writeFileSync(join(place.root, 'sha256', 'something-else'), '')
  writeFileSync(join(place.root, 'tmp', 'something-else'), '')
  expect(await metadata.layer(layer.chainID)).toEqual(layer)
  expect(await Array.fromAsync(metadata.layers())).toEqual([layer])
  expect(await Array.fromAsync(metadata.damaged())).toEqual([])
  await metadata.lock('exclusive', async () => expect(await metadata.interrupted()).toEqual([]))
})

test("a descriptor of Go's encoder may leave out what is empty", async () => {
  using place = scratch()
  await using metadata = await metadataFs({ root: place.root })
  const layer = newLayer()
  await put(metadata, layer)
  const path = join(place.root, 'sha256', hex(layer.chainID), 'descriptor.json')
  const digest = digestOf('x')
  writeFileSync(path, `{"digest":"${digest}"}\n`)
  const found = await metadata.layer(layer.chainID)
  expect(found?.descriptor).toEqual({ mediaType: '', digest, size: 0 })
  writeFileSync(path, '{}')
  expect(await metadata.layer(layer.chainID)).toEqual(layer)
})

test('a record that Go compressed, or in several gzip members, is read', async () => {
  using place = scratch()
  await using metadata = await metadataFs({ root: place.root })
  const layer = newLayer()
  await put(metadata, layer, 'x')
  const path = join(place.root, 'sha256', hex(layer.chainID), 'tar-split.json.gz')
  writeFileSync(path, Buffer.concat([gzipSync('one\n', { level: 9 }), gzipSync('two\n')]))
  expect(await text(await metadata.tarSplit(layer.chainID))).toBe('one\ntwo\n')
})

test('every flipped bit in a compressed record is an error or changes nothing', async () => {
  using place = scratch()
  await using metadata = await metadataFs({ root: place.root })
  const layer = newLayer()
  const record = 'a record, of which each bit matters\n'
  await put(metadata, layer, record)
  const path = join(place.root, 'sha256', hex(layer.chainID), 'tar-split.json.gz')
  const whole = readFileSync(path)
  let found = 0
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const flipped = Buffer.from(whole)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    writeFileSync(path, flipped)
    try {
      expect(await text(await metadata.tarSplit(layer.chainID))).toBe(record)
    } catch (error) {
      expect(LayerError.is(error, 'ERR_CORRUPT_RECORD')).toBe(true)
      found++
    }
  }
  // What goes unnoticed is in gzip's header and in the padding of its last block.
  expect(found).toBeGreaterThan(whole.length * 8 - 80 - 8)
  writeFileSync(path, whole.subarray(0, -9))
  await expect(text(await metadata.tarSplit(layer.chainID))).rejects.toMatchObject({
    code: 'ERR_CORRUPT_RECORD',
  })
})

test('what opened stores leave behind when closed is no file of theirs', async () => {
  using place = scratch()
  {
    await using metadata = await metadataFs({ root: place.root })
    await using other = await metadataFs({ root: place.root })
    const layer = newLayer()
    await put(metadata, layer, undefined, 'deferred')
    await metadata.markSynced(await other.unsynced())
    await other.lock('shared', () => other.hold(layer.chainID))
    const removal = await metadata.lock('exclusive', () => metadata.retire([layer.chainID]))
    await removal.finish()
  }
  for (const dir of ['sha256', 'tmp', 'mounts', 'varve/owners', 'varve/unsynced', 'varve/journals'])
    expect(readdirSync(join(place.root, dir))).toEqual([])
})
