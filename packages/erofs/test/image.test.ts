import { collect, LayerError } from '@varve/core'
import { type ByteRanges, memoryFile, openErofs, writeErofs } from '@varve/erofs'
import { type TarEntry, tarOf } from '@varve/testkit'
import { expect, test } from 'vitest'
import { manyNames } from './many-names.ts'

async function imageOf(entries: readonly (TarEntry | Uint8Array)[], tar = tarOf(entries)) {
  const file = memoryFile()
  return { file, tar, written: await writeErofs(file, [tar]) }
}
const text = async (parts: AsyncIterable<Uint8Array>) =>
  new TextDecoder().decode(await collect(parts, 2 ** 24))
const utf8 = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const code = async (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing',
    (error: unknown) => (error as LayerError).code,
  )

test('the tar is in the image byte for byte, with whatever follows its end', async () => {
  const tar = Buffer.concat([tarOf([{ name: 'f', data: 'x'.repeat(700) }]), Buffer.from('junk')])
  const { file, written } = await imageOf([], tar)
  const { position, size } = written.tar
  expect(size).toBe(tar.length)
  expect(Buffer.compare(file.bytes.subarray(position, position + size), tar)).toBe(0)
  expect((await openErofs(file)).tar).toEqual(written.tar)
})

test('a directory of 100,000 names is found and listed in order', async () => {
  const { tar } = manyNames(100_000)
  const { file } = await imageOf([], tar)
  const image = await openErofs(file)
  expect((await image.stat('d/099999'))?.type).toBe('file')
  expect(await image.stat('d/100000')).toBeUndefined()
  const names = (await Array.fromAsync(image.list('d'))).map(({ name }) => utf8(name))
  expect(names.length).toBe(100_000)
  expect(names).toEqual(names.toSorted())
})

test('a payload of more than 4 GiB is addressed where it is', async () => {
  const size = 2 ** 32 + 512
  const header = tarOf([{ name: 'big', pax: { size: String(size) }, size: 0 }]).subarray(0, -1024)
  const zeros = new Uint8Array(2 ** 24)
  let written = 0
  const kept = memoryFile()
  // Everything but the payload: that is zeros, and read as such.
  const shift = (position: number) => (position < 2 ** 20 ? position : position - size + 2 ** 20)
  const file = {
    async write(position: number, bytes: Uint8Array) {
      if (bytes.buffer === zeros.buffer) written += bytes.length
      else await kept.write(shift(position), bytes)
    },
    read: (position: number, length: number) => kept.read(shift(position), length),
  }
  await writeErofs(
    file,
    (function* () {
      yield header
      for (let left = size; left > 0; left -= zeros.length) {
        yield zeros.subarray(0, Math.min(left, zeros.length))
      }
      yield tarOf([{ name: 'after', data: 'after' }])
    })(),
  )
  expect(written).toBe(size)
  const source: ByteRanges = { size: kept.size + size - 2 ** 20, read: file.read }
  const image = await openErofs(source)
  expect((await image.stat('big'))?.size).toBe(size)
  expect(await text(image.read('after'))).toBe('after')
})

test('paths lead through links, and never above the root', async () => {
  const { file } = await imageOf([
    { name: 'usr/lib/os-release', data: 'ID=varve' },
    { name: 'etc/os-release', type: 'symlink', link: '../../../../usr/lib/os-release' },
    { name: 'lib', type: 'symlink', link: '/usr/lib' },
    { name: 'loop', type: 'symlink', link: 'loop' },
  ])
  const image = await openErofs(file)
  for (const path of ['etc/os-release', '/lib/os-release', '../../lib/./os-release']) {
    expect(await text(image.read(path))).toBe('ID=varve')
  }
  expect(utf8((await image.stat('lib'))?.target ?? new Uint8Array(0))).toBe('/usr/lib')
  expect(await code(image.read('loop').next())).toBe('ERR_INVALID_ARGUMENT')
  expect(await code(image.read('usr').next())).toBe('ERR_INVALID_ARGUMENT')
  expect(await code(image.list('lib/os-release').next())).toBe('ERR_INVALID_ARGUMENT')
})

test('what several files have is written once', async () => {
  const value = 'v'.repeat(5000)
  const entries = Array.from({ length: 100 }, (_, i) => ({
    name: `f${i}`,
    xattrs: { 'user.large': value, 'user.own': `${i}` },
  }))
  const { file, tar } = await imageOf(entries)
  expect(file.size - tar.length).toBeLessThan(40_000)
  const stat = await (await openErofs(file)).stat('f77')
  expect([...(stat?.xattrs ?? [])].map(([name, bytes]) => [name, utf8(bytes)]).sort()).toEqual([
    ['user.large', value],
    ['user.own', '77'],
  ])
})

test('attributes that no file system would keep are left out and counted', async () => {
  const { file, written } = await imageOf([
    {
      name: 'f',
      xattrs: {
        'user.kept': 'k',
        'security.capability': 'short',
        'system.posix_acl_access': 'wrong',
        'nothing.known': 'x',
        'user.': 'no name',
      },
    },
  ])
  expect(written.omittedXattrs).toBe(4)
  expect([...((await (await openErofs(file)).stat('f'))?.xattrs.keys() ?? [])]).toEqual([
    'user.kept',
  ])
})

test.each([
  ['revision 2', 0x02000001, 20, 0, true],
  ['revision 3', 0x03000000, 24, 1000, true],
  ['revision 1, which kernels no longer read', 0x01000000, 12, 0, false],
  ['an unknown flag', 0x02000003, 20, 0, false],
  ['the root user of nobody', 0x03000000, 24, 0xffffffff, false],
])(
  'capabilities are kept if the kernel can read them: %s',
  async (_, magic, size, root, isKept) => {
    const view = new DataView(new ArrayBuffer(size))
    view.setUint32(0, magic, true)
    if (size === 24) view.setUint32(20, root, true)
    const value = new Uint8Array(view.buffer)
    const { file } = await imageOf([{ name: 'f', xattrs: { 'security.capability': value } }])
    const stat = await (await openErofs(file)).stat('f')
    expect(stat?.xattrs.has('security.capability')).toBe(isKept)
  },
)

test('a whiteout behind a ring of links hides nothing', async () => {
  const { file } = await imageOf([{ name: 'a', type: 'symlink', link: 'a' }, { name: 'a/.wh.a' }])
  expect((await (await openErofs(file)).stat('a'))?.type).toBe('symlink')
})

test('sums of the superblock are those of CRC-32C', async () => {
  const { file } = await imageOf([{ name: 'f', data: 'f' }])
  file.bytes[1024 + 60] = 1
  expect(await code(openErofs(file))).toBe('ERR_CORRUPT_LAYER')
})

test('limits are kept', async () => {
  const tar = [tarOf([{ name: 'a/b/c', data: 'x', xattrs: { 'user.x': 'y'.repeat(100) } }])]
  for (const limits of [
    { entries: 0 },
    { files: 2 },
    { pathLength: 4 },
    { xattrBytes: 50 },
    { fileBytes: 0 },
  ]) {
    expect(await code(writeErofs(memoryFile(), tar, { limits }))).toBe('ERR_LIMIT_EXCEEDED')
  }
  expect(LayerError.is(new Error('other'))).toBe(false)
})

test('an abort ends it', async () => {
  const controller = new AbortController()
  const tar = (function* () {
    yield new Uint8Array(512)
    controller.abort()
    yield new Uint8Array(512)
  })()
  const { signal } = controller
  expect(await code(writeErofs(memoryFile(), tar, { signal }))).toBe('ERR_ABORTED')
})
