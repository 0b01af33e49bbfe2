import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { tarOf } from './archives.ts'
import { jsonLines, ok, scratch, varve } from './varve.ts'

const simple = tarOf([
  { name: 'dir/' },
  { name: 'dir/a', content: 'alpha' },
  { name: 'b', content: 'beta' },
])

/** Names that cannot stand beside each other in a folder, or must not. */
const odd = tarOf([
  { name: 'twice', content: 'first' },
  { name: './twice', content: 'second' },
  { name: '../outside', content: 'escape' },
  { name: '/absolute', content: 'root' },
  { name: 'file', content: 'a file' },
  { name: 'file/inside', content: 'and a folder' },
  { name: `${'long/'.repeat(60)}${'n'.repeat(300)}`, content: 'too long for a file system' },
  { name: 'link', linkTo: '/etc/passwd' },
  { name: 'link', content: 'was a link' },
])

async function roundTrip(tar: Uint8Array, meta = 'record.json.gz'): Promise<void> {
  const folder = await scratch()
  const at = (name: string) => join(folder, name)
  await writeFile(at('in.tar'), tar)
  const files = ['--meta', at(meta), '--payload', at('payload')]
  expect(await ok(['tarsplit', 'disasm', ...files, at('in.tar')])).toBe('')
  await ok(['tarsplit', 'asm', ...files, '-o', at('out.tar')])
  expect(Buffer.compare(await readFile(at('out.tar')), tar)).toBe(0)
  const { bytes } = await varve(['tarsplit', 'asm', ...files])
  expect(Buffer.compare(bytes, tar)).toBe(0)
  // Nothing but what was asked for, and nothing outside of the folder.
  expect((await readdir(folder)).sort()).toEqual(['in.tar', 'out.tar', 'payload', meta].sort())
}

describe('a tar taken apart and put together is the same tar', () => {
  test.each([
    ['a simple one', simple],
    ['one with names that collide or lead outside', odd],
    ['one that is cut off inside a payload', simple.subarray(0, 1500)],
    ['nothing', new Uint8Array(0)],
    ['no tar at all', new TextEncoder().encode('#!/bin/sh\nexit 1\n')],
  ])('%s', async (_what, tar) => await roundTrip(tar))
  test('with a plain record', async () => await roundTrip(simple, 'record.json'))
})

test('the record is as Go writes it, and gzip if its name says so', async () => {
  const folder = await scratch()
  await ok(['tarsplit', 'disasm', '--meta', join(folder, 'r.gz'), '-'], { stdin: simple })
  await ok(['tarsplit', 'disasm', '--meta', join(folder, 'r'), '-'], { stdin: simple })
  const plain = await readFile(join(folder, 'r'), 'utf8')
  expect(gunzipSync(await readFile(join(folder, 'r.gz'))).toString()).toBe(plain)
  const names = jsonLines(plain)
    .filter((line) => line.type === 1)
    .map((line) => line.name)
  expect(names).toEqual(['dir/', 'dir/a', 'b'])
})

test('disasm from stdin keeps payloads under their names', async () => {
  const folder = await scratch()
  const files = ['--meta', join(folder, 'r'), '--payload', join(folder, 'p')]
  await ok(['tarsplit', 'disasm', ...files, '-'], { stdin: simple })
  expect(await readFile(join(folder, 'p/dir/a'), 'utf8')).toBe('alpha')
  const { bytes } = await varve(['tarsplit', 'asm', ...files])
  expect(Buffer.compare(bytes, simple)).toBe(0)
})

describe('it refuses', () => {
  async function taken(): Promise<{ folder: string; files: string[] }> {
    const folder = await scratch()
    const files = ['--meta', join(folder, 'r'), '--payload', join(folder, 'p')]
    await ok(['tarsplit', 'disasm', ...files, '-'], { stdin: simple })
    return { folder, files }
  }
  const code = (stderr: string): string => jsonLines(stderr)[0].error.code

  test('a payload folder that holds something', async () => {
    const { files } = await taken()
    const again = await varve(['tarsplit', 'disasm', ...files, '-', '--json'], { stdin: simple })
    expect([again.code, code(again.stderr)]).toEqual([1, 'ERR_INVALID_ARGUMENT'])
  })

  test('a payload that was changed, and leaves no output', async () => {
    const { folder, files } = await taken()
    await writeFile(join(folder, 'p/dir/a'), 'ALPHA')
    const out = join(folder, 'out.tar')
    const result = await varve(['tarsplit', 'asm', ...files, '-o', out, '--json'])
    expect([result.code, code(result.stderr)]).toEqual([1, 'ERR_CORRUPT_LAYER'])
    expect(await readdir(folder)).not.toContain('out.tar')
  })

  test('a payload that is a link out of the folder', async () => {
    const { folder, files } = await taken()
    await mkdir(join(folder, 'elsewhere'))
    await writeFile(join(folder, 'elsewhere/a'), 'alpha')

    await rm(join(folder, 'p/dir'), { recursive: true })
    await symlink(join(folder, 'elsewhere'), join(folder, 'p/dir'))
    const result = await varve(['tarsplit', 'asm', ...files, '--json'])
    expect([result.code, code(result.stderr)]).toEqual([1, 'ERR_CORRUPT_LAYER'])
  })

  test('a damaged record', async () => {
    const { folder, files } = await taken()
    await writeFile(join(folder, 'r'), '{"type":2,"payload":"AAA')
    const result = await varve(['tarsplit', 'asm', ...files, '--json'])
    expect([result.code, code(result.stderr)]).toEqual([1, 'ERR_CORRUPT_RECORD'])
  })
})
