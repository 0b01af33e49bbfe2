import fs from 'node:fs'
import { join } from 'node:path'
import { applyLayer, openFiles, openRoot, type Resolver } from '@varve/archive'
import { collect } from '@varve/core'
import { AT } from '@varve/sys'
import { describe, expect, test } from 'vitest'
import { entryBlocks, type Made, makeTar } from './support/make-tar.ts'
import { codeOf, isRoot, lower, resolvers, sys, tempDir } from './support/tree.ts'

/** A directory and a file outside the root, and all that can be known of them. */
function canary() {
  const outside = tempDir()
  const file = join(outside, 'file')
  fs.writeFileSync(file, 'canary', { mode: 0o640 })
  fs.mkdirSync(join(outside, 'dir'), { mode: 0o750 })
  fs.writeFileSync(join(outside, 'dir/inner'), 'canary too')
  const facts = (path: string) => {
    const { mode, uid, gid, nlink, size, mtimeNs, ino } = fs.lstatSync(path, { bigint: true })
    const attributes = sys.native?.listxattr(AT.FDCWD, Buffer.from(path)).map(String) ?? []
    return { path, mode, uid, gid, nlink, size, mtimeNs, ino, attributes }
  }
  const look = () => ({
    names: fs.readdirSync(outside, { recursive: true }).sort(),
    content: fs.readFileSync(file, 'utf8'),
    facts: [outside, file, join(outside, 'dir'), join(outside, 'dir/inner')].map(facts),
  })
  return { outside, file, look, before: look() }
}

const EVERYTHING: Partial<Made> = {
  mode: 0o4777,
  uid: 1234,
  gid: 1234,
  mtime: 42,
  pax: { 'SCHILY.xattr.user.evil': '1' },
}

/** Layers by what they try; `O` stands for the directory of the canary. */
function attacks(outside: string): Record<string, readonly (readonly Made[])[]> {
  const name = (path: string) => `${outside}/${path}`
  const up = `${'../'.repeat(20)}${outside.slice(1)}`
  const evil = { content: 'evil', ...EVERYTHING }
  const dir = { type: '5', ...EVERYTHING }
  return {
    'T1: .. in a name': [[{ name: `${up}/file`, ...evil }]],
    'T1: an absolute name': [[{ name: name('file'), ...evil }]],
    'T1: .. behind a name': [[{ name: `a/${up}/../${up}/file`, ...evil }]],
    'T2: through an absolute link': [
      [
        { name: 'l', type: '2', link: outside },
        { name: 'l/file', ...evil },
        { name: 'l/new', ...evil },
      ],
    ],
    'T2: through a relative link': [
      [
        { name: 'l', type: '2', link: up },
        { name: 'l/file', ...evil },
      ],
    ],
    'T2: through two links': [
      [
        { name: 'a', type: '2', link: up },
        { name: 'b', type: '2', link: 'a/dir' },
        { name: 'b/inner', ...evil },
        { name: 'b/new/', ...dir },
      ],
    ],
    'T2: across two layers': [
      [{ name: 'l', type: '2', link: outside }],
      [
        { name: 'l/file', ...evil },
        { name: 'l/dir/', ...dir },
      ],
    ],
    'T2: the file itself is a link': [
      [
        { name: 'l', type: '2', link: name('file') },
        { name: 'l', ...evil },
      ],
    ],
    'T2: the root becomes a link': [
      [
        { name: '.', type: '2', link: outside },
        { name: 'file', ...evil },
      ],
    ],
    'T2: a way longer than PATH_MAX': [
      [
        { name: 'd'.repeat(200), type: '2', link: `${'./'.repeat(1900)}${up}` },
        { name: `${'d'.repeat(200)}/file`, ...evil },
      ],
    ],
    'T3: a hard link outside': [
      [
        { name: 'h', type: '1', link: name('file'), ...EVERYTHING },
        { name: 'h', ...evil },
      ],
    ],
    'T3: a hard link with ..': [[{ name: 'h', type: '1', link: `${up}/file`, ...EVERYTHING }]],
    'T3: a hard link through links': [
      [
        { name: 'a/b/c/', type: '5' },
        { name: 'a/b/c/up', type: '2', link: '../..' },
        { name: 'a/b/escape', type: '2', link: `c/up/../../${up}` },
        { name: 'h', type: '1', link: 'a/b/escape/file', ...EVERYTHING },
      ],
    ],
    'T3: a hard link to a link outside, then its metadata': [
      [
        { name: 's', type: '2', link: name('file') },
        { name: 'h', type: '1', link: 's', ...EVERYTHING },
      ],
    ],
    'T4: a directory becomes a link': [
      [
        { name: 'd/', type: '5' },
        { name: 'd/a', content: 'fills the cache' },
        { name: 'd', type: '2', link: outside },
        { name: 'd/file', ...evil },
      ],
    ],
    'T4: a directory becomes a link, in other spellings': [
      [
        { name: './d//', type: '5' },
        { name: 'd/e/a', content: 'fills the cache' },
        { name: './/d/.', type: '2', link: outside },
        { name: 'd/./file', ...evil },
        { name: '/d/dir/', ...dir },
      ],
    ],
    'T4: a parent of a directory becomes a link': [
      [
        { name: 'd/dir/a', content: 'fills the cache' },
        { name: 'd', type: '2', link: outside },
        { name: 'd/dir/inner', ...evil },
      ],
    ],
    'T5: a directory entry on a link': [
      [
        { name: 'l', type: '2', link: name('dir') },
        { name: 'l/', ...dir },
      ],
    ],
    'T5: metadata of a link': [[{ name: 'l', type: '2', link: name('file'), ...EVERYTHING }]],
    'T6: a whiteout through a link': [
      [{ name: 'l', type: '2', link: outside }],
      [{ name: 'l/.wh.file' }, { name: 'l/.wh.dir' }],
    ],
    'T6: an opaque directory that is a link': [
      [{ name: 'l', type: '2', link: outside }],
      [{ name: 'l/.wh..wh..opq' }],
    ],
    'T6: a whiteout of a link': [[{ name: 'l', type: '2', link: outside }], [{ name: '.wh.l' }]],
    'T6: a tree with links is replaced': [
      [{ name: 'd/l', type: '2', link: outside }],
      [{ name: 'd', content: 'a file' }],
    ],
  }
}

describe.each(resolvers)('by %s', (resolver: Resolver) => {
  const names = Object.keys(attacks('/x'))
  test.each(names)('%s leaves what is outside alone', async (name) => {
    const { outside, look, before } = canary()
    const root = tempDir()
    for (const layer of attacks(outside)[name] ?? []) {
      try {
        await applyLayer(root, [makeTar(...layer)], { sys, resolver })
      } catch (error) {
        expect(['ERR_UNSAFE_PATH', 'ERR_INVALID_TAR']).toContain((error as { code: string }).code)
      }
    }
    expect(look()).toEqual(before)
  })

  test('T2: a chain of links without end is an error', async () => {
    const entries = [
      { name: 'a', type: '2', link: 'b' },
      { name: 'b', type: '2', link: 'a' },
      { name: 'a/f', content: '' },
    ]
    const promise = applyLayer(tempDir(), [makeTar(...entries)], { sys, resolver })
    expect(await codeOf(promise)).toBe('ERR_INVALID_TAR')
  })

  test('T12: a name of 100,000 components is refused; one of 2,000 works', async () => {
    const long = makeTar({ name: 'a/'.repeat(100_000), type: '5' })
    expect(await codeOf(applyLayer(tempDir(), [long], { sys, resolver }))).toBe(
      'ERR_LIMIT_EXCEEDED',
    )
    const root = tempDir()
    if (resolver !== 'paths') {
      const deep = makeTar({ name: `${'a/'.repeat(2000)}f`, content: 'deep' }, { name: '.wh.a' })
      await applyLayer(root, [deep], { sys, resolver })
      await applyLayer(root, [makeTar({ name: '.wh.a' })], { sys, resolver })
      expect(fs.readdirSync(root)).toEqual([])
    }
  })

  test('T16: files are only read inside, and only regular ones', async () => {
    const { outside } = canary()
    const root = lower({ 'etc/real': 'real!!', 'etc/link': `-> ${outside}/file` })
    fs.symlinkSync(outside, join(root, 'out'))
    fs.symlinkSync('/etc', join(root, 'inside'))
    await using files = openFiles(root, { sys, resolver })
    const open = (name: string) => collect(files.open(Buffer.from(name), 6), 100)
    expect(Buffer.from(await open('inside/real')).toString()).toBe('real!!')
    expect(Buffer.from(await open('./etc/../etc/real')).toString()).toBe('real!!')
    const refused = [
      'etc/link',
      'out/file',
      'etc',
      'missing',
      'no/such',
      'etc/real/x',
      '.',
      '../etc/real',
    ]
    for (const name of refused) {
      expect(await codeOf(open(name)), name).toBe('ERR_CORRUPT_LAYER')
    }
    expect(await codeOf(collect(files.open(Buffer.from('etc/real'), 7), 100))).toBe(
      'ERR_CORRUPT_LAYER',
    )
  })

  test('the root stays the root, however far up a link leads', () => {
    const on = lower({ 'a/b': null, 'a/up': '-> ../../../..' })
    using root = openRoot(on, { sys, resolver })
    expect(root.resolver).toBe(resolver)
    expect(root.directory('a/up')?.path).toBe('')
    expect(root.directory('a/up/a/b')?.path).toBe('a/b')
    expect(root.directory('a/up/nothing')).toBeUndefined()
  })
})

test.skipIf(!isRoot || !sys.native)(
  'T16: a FIFO or device in a file’s place does not hang the reader (needs root)',
  async () => {
    const root = tempDir()
    const devices = makeTar(
      { name: 'pipe', type: '6' },
      { name: 'zero', type: '3', major: 1, minor: 5 },
    )
    await applyLayer(root, [devices], { sys })
    await using files = openFiles(root, { sys })
    for (const name of ['pipe', 'zero']) {
      expect(await codeOf(collect(files.open(Buffer.from(name), 5), 100))).toBe('ERR_CORRUPT_LAYER')
    }
  },
)

test('T8: nothing in the layer or on the PATH is run to unpack it', async () => {
  const { decompress } = await import('@varve/archive')
  const bin = tempDir()
  for (const tool of ['unpigz', 'gzip', 'xz', 'zstd']) {
    fs.writeFileSync(join(bin, tool), `#!/bin/sh\ntouch ${bin}/ran\n`, { mode: 0o755 })
  }
  const path = process.env.PATH
  process.env.PATH = bin
  try {
    const { gzipSync } = await import('node:zlib')
    const { bytes } = await decompress([gzipSync(makeTar({ name: 'a', content: '1' }))])
    await applyLayer(tempDir(), bytes, { sys })
    expect(await codeOf(decompress([Buffer.from('fd377a585a00', 'hex')]))).toBe('ERR_NOT_SUPPORTED')
  } finally {
    process.env.PATH = path
  }
  expect(fs.existsSync(join(bin, 'ran'))).toBe(false)
})

test('T9: a link with a size has no payload, so that what follows is what Go sees', async () => {
  const root = tempDir()
  const hidden = makeTar({ name: 'hidden', content: 'smuggled' }).subarray(0, 1024)
  const entries = [
    ...entryBlocks({ name: 'l', type: '2', link: 'x', size: hidden.length }),
    hidden,
    new Uint8Array(1024),
  ]
  await applyLayer(root, [Buffer.concat(entries)], { sys })
  expect(fs.readdirSync(root).sort()).toEqual(['hidden', 'l'])
})

test('T9: sizes that contradict each other: the PAX one counts; negative ones are refused', async () => {
  const root = tempDir()
  const inner = makeTar({ name: 'inner', content: '' }).subarray(0, 512)
  await applyLayer(root, [makeTar({ name: 'f', content: inner, pax: { size: '512' } })], { sys })
  expect(fs.readdirSync(root)).toEqual(['f'])
  const negative = makeTar({ name: 'f', size: -5 })
  expect(await codeOf(applyLayer(tempDir(), [negative], { sys }))).toBe('ERR_INVALID_TAR')
})

test('T10: a huge hole takes neither time nor space', async () => {
  const root = tempDir()
  const size = 60 * 2 ** 30
  const sparse = makeTar({
    name: 's',
    content: '0\n'.padEnd(512, '\0'),
    pax: {
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.name': 's',
      'GNU.sparse.realsize': String(size),
    },
  })
  await applyLayer(root, [sparse], { sys })
  const stat = fs.statSync(join(root, 's'))
  expect(stat.size).toBe(size)
  expect(stat.blocks).toBeLessThan(100)
})

test('T10: an extension header beyond 1 MiB and endless padding stay in bounds', async () => {
  const big = makeTar({ name: 'f', pax: { comment: 'x'.repeat(2 ** 20) } })
  expect(await codeOf(applyLayer(tempDir(), [big], { sys }))).toBe('ERR_LIMIT_EXCEEDED')
  function* padded() {
    yield makeTar({ name: 'f', content: '1' })
    const zeros = new Uint8Array(2 ** 20)
    for (let i = 0; i < 256; i++) yield zeros
  }
  const layer = await applyLayer(tempDir(), padded(), { sys })
  expect(layer.entries).toBe(1)
})

test('limits are kept: entries, payload, attributes', async () => {
  const tar = makeTar(
    { name: 'a', content: '12' },
    { name: 'b', pax: { 'SCHILY.xattr.user.x': 'x'.repeat(99) } },
  )
  for (const limits of [{ entries: 1 }, { payloadBytes: 1 }, { xattrBytes: 50 }]) {
    expect(await codeOf(applyLayer(tempDir(), [tar], { sys, limits }))).toBe('ERR_LIMIT_EXCEEDED')
  }
})

test('repeated whiteouts cost no more than one', async () => {
  const files = Array.from({ length: 2000 }, (_, i) => ({ name: `d/${i}`, content: '' }))
  const opaque = Array.from({ length: 2000 }, () => ({ name: 'd/.wh..wh..opq' }))
  const root = tempDir()
  let listed = 0
  const native = sys.native
  const counted = (calls: NonNullable<typeof native>) => (fd: number) => {
    listed++
    return calls.readdir(fd)
  }
  const counting = native && {
    ...sys,
    native: { ...native, readdir: counted(native) },
  }
  await applyLayer(root, [makeTar(...files, ...opaque)], counting ? { sys: counting } : { sys })
  expect(fs.readdirSync(join(root, 'd')).length).toBe(2000)
  expect(listed).toBeLessThan(10)
})

test('T18: owners and device numbers out of range are refused', async () => {
  for (const entry of [{ uid: 2 ** 32 - 1 }, { gid: 2 ** 32 - 1 }, { uid: -1 }, { uid: 2 ** 33 }]) {
    const tar = makeTar({ name: 'f', ...entry })
    expect(await codeOf(applyLayer(tempDir(), [tar], { sys }))).toBe('ERR_INVALID_TAR')
  }
  const device = makeTar({ name: 'd', type: '3', major: 2 ** 32, minor: 0 })
  expect(await codeOf(applyLayer(tempDir(), [device], { sys }))).toBe('ERR_INVALID_TAR')
  const root = tempDir()
  await applyLayer(root, [makeTar({ name: 'f', uid: 2 ** 31, gid: 2 ** 32 - 2 })], { sys })
  if (isRoot) expect(fs.statSync(join(root, 'f')).uid).toBe(2 ** 31)
})
