import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { digestOf, newCacheID } from '@varve/core'
import { expect, test } from 'vitest'
import { metadataFs } from '../src/index.ts'
import { hex, newLayer, newMount, put, putMount, scratch } from './stack.ts'

const onUnix = process.platform !== 'win32'

const DAMAGES: readonly (readonly [string, string, (dir: string) => void])[] = [
  ['an empty diff', 'diff is empty', (dir) => truncateSync(join(dir, 'diff'))],
  ['no diff', 'diff is missing', (dir) => rmSync(join(dir, 'diff'))],
  ['a diff of another layer', 'those of layer', (dir) => write(dir, 'diff', digestOf('x'))],
  ['a diff that is no digest', 'diff holds', (dir) => write(dir, 'diff', 'sha256:abc')],
  ['a lost parent file', 'those of layer', (dir) => rmSync(join(dir, 'parent'))],
  ['an empty parent file', 'parent is empty', (dir) => truncateSync(join(dir, 'parent'))],
  ['no cache-id', 'cache-id is missing', (dir) => rmSync(join(dir, 'cache-id'))],
  ['a cache-id with a path in it', 'cache-id holds', (dir) => write(dir, 'cache-id', '../../etc')],
  ['a negative size', 'size holds', (dir) => write(dir, 'size', '-1')],
  ['a size beyond 2^53', 'size holds', (dir) => write(dir, 'size', '9007199254740993')],
  ['a huge size file', 'longer than', (dir) => write(dir, 'size', '1'.repeat(100_000))],
  ['an empty descriptor', 'is empty', (dir) => write(dir, 'descriptor.json', '')],
  ['a cut descriptor', 'is no JSON', (dir) => write(dir, 'descriptor.json', '{"mediaType":"x')],
  ['an empty record', 'tar-split.json.gz is empty', (dir) => write(dir, 'tar-split.json.gz', '')],
  [
    'a directory in place of a file',
    'EISDIR',
    (dir) => {
      rmSync(join(dir, 'size'))
      mkdirSync(join(dir, 'size'))
    },
  ],
  ...(onUnix
    ? ([
        ['a symbolic link in place of a file', 'ELOOP', link],
        [
          'a FIFO in place of a file',
          'size is empty',
          (dir: string) => {
            rmSync(join(dir, 'size'))
            execFileSync('mkfifo', [join(dir, 'size')])
          },
        ],
      ] as const)
    : []),
]

function link(dir: string): void {
  renameSync(join(dir, 'size'), join(dir, 'elsewhere'))
  symlinkSync('elsewhere', join(dir, 'size'))
}

function write(dir: string, name: string, content: string): void {
  writeFileSync(join(dir, name), content)
}

test.each(DAMAGES)(
  '%s is damage, told as such, and replaced by the same layer',
  async (_, reason, harm) => {
    using place = scratch()
    await using metadata = await metadataFs({ root: place.root })
    const base = newLayer()
    const bad = newLayer(base.chainID)
    await put(metadata, base)
    await put(metadata, bad)
    const dir = join(place.root, 'sha256', hex(bad.chainID))
    harm(dir)
    const damaged = readdirSync(dir)

    await expect(metadata.layer(bad.chainID)).rejects.toMatchObject({
      code: 'ERR_CORRUPT_METADATA',
      message: expect.stringContaining(reason),
      data: { path: dir },
    })
    expect(await Array.fromAsync(metadata.layers())).toEqual([base])
    expect(await Array.fromAsync(metadata.damaged())).toEqual([
      { kind: 'layer', subject: bad.chainID, reason: expect.stringContaining(reason) },
    ])
    const again = { ...bad, cacheID: newCacheID() }
    expect(await put(metadata, again)).toBe(true)
    expect(await metadata.layer(bad.chainID)).toEqual(again)
    const [kept = ''] = readdirSync(join(place.root, 'varve/quarantine'))
    expect(readdirSync(join(place.root, 'varve/quarantine', kept))).toEqual(damaged)
  },
)

test('a damaged mount is set aside when asked, never replaced unasked', async () => {
  using place = scratch()
  await using metadata = await metadataFs({ root: place.root })
  const mount = newMount('work')
  await putMount(metadata, mount)
  truncateSync(join(place.root, 'mounts/work/init-id'))
  await expect(putMount(metadata, newMount('work'))).rejects.toMatchObject({
    code: 'ERR_CORRUPT_METADATA',
  })
  await metadata.lock('exclusive', () => metadata.setAside({ kind: 'mount', subject: 'work' }))
  expect(await putMount(metadata, newMount('work'))).toBe(true)
  expect(readdirSync(join(place.root, 'varve/quarantine'))).toHaveLength(1)
})

test('a mount whose name none can have is damage that can be set aside', async () => {
  using place = scratch()
  await using metadata = await metadataFs({ root: place.root })
  mkdirSync(join(place.root, 'mounts/a b'))
  const [damage] = await Array.fromAsync(metadata.damaged())
  expect(damage).toMatchObject({ kind: 'mount', subject: 'a b' })
  if (damage) await metadata.lock('exclusive', () => metadata.setAside(damage))
  expect(readdirSync(join(place.root, 'mounts'))).toEqual([])
  for (const subject of ['..', '.', '', 'a/b']) {
    const aside = metadata.lock('exclusive', () => metadata.setAside({ kind: 'mount', subject }))
    await expect(aside).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  }
})

test('a store of a newer version is not opened', async () => {
  using place = scratch()
  await (await metadataFs({ root: place.root }))[Symbol.asyncDispose]()
  writeFileSync(join(place.root, 'varve/version'), '2')
  for (const readOnly of [true, false]) {
    await expect(metadataFs({ root: place.root, readOnly })).rejects.toMatchObject({
      code: 'ERR_STORE_VERSION',
    })
  }
})
