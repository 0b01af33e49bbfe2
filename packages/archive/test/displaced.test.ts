import fs from 'node:fs'
import { applyLayer } from '@varve/archive'
import { collect } from '@varve/core'
import { expect, test } from 'vitest'
import { type Made, makeTar } from './support/make-tar.ts'
import { list, lower, sys, tempDir } from './support/tree.ts'

/** `name#occurrence=content` of every payload that the layer does not hold. */
async function displaced(entries: readonly Made[], on: string = tempDir()): Promise<string[]> {
  const asideDir = tempDir()
  const applied = await applyLayer(on, [makeTar(...entries)], { sys, asideDir })
  const found: string[] = []
  for (const file of applied.displaced) {
    const bytes = await collect(file.open(), 1000)
    expect(bytes.length).toBe(file.size)
    found.push(`${Buffer.from(file.name)}#${file.occurrence}=${Buffer.from(bytes)}`)
  }
  await applied[Symbol.asyncDispose]()
  expect(fs.readdirSync(asideDir)).toEqual([])
  return found.sort()
}

test('a usual layer displaces nothing', async () => {
  expect(
    await displaced([
      { name: 'a', content: '1' },
      { name: 'd/b', content: '2' },
    ]),
  ).toEqual([])
})

test('a lower layer’s file is not the tar’s', async () => {
  expect(await displaced([{ name: 'a', content: 'new' }], lower({ a: 'old' }))).toEqual([])
})

test('files of one name: all but the last, counted from 0', async () => {
  const entries = ['one', 'two', '', 'three'].map((content) => ({ name: 'a', content }))
  expect(await displaced(entries)).toEqual(['a#0=one', 'a#1=two'])
})

test('other spellings are other names', async () => {
  const entries = [
    { name: 'a', content: '1' },
    { name: './a', content: '2' },
    { name: 'a', content: '3' },
  ]
  expect(await displaced(entries)).toEqual(['./a#0=2', 'a#0=1'])
})

test.each(['1', '2', '5', '6'])('a file is replaced by an entry of type %s', async (type) => {
  const entries = [
    { name: 'b', content: 'kept' },
    { name: 'a', content: 'lost' },
    { name: 'a', type, link: 'b' },
  ]
  expect(await displaced(entries)).toEqual(['a#0=lost'])
})

test('a whole tree goes', async () => {
  const entries = [
    { name: 'd/e/f', content: '1' },
    { name: 'd/g', content: '2' },
    { name: 'd', type: '2', link: '.' },
  ]
  expect(await displaced(entries)).toEqual(['d/e/f#0=1', 'd/g#0=2'])
})

test('a name that goes while another name of the same file stays', async () => {
  const on = tempDir()
  const entries = [
    { name: 'a', content: 'shared' },
    { name: 'b', type: '1', link: 'a' },
    { name: 'a', content: 'other' },
  ]
  expect(await displaced(entries, on)).toEqual(['a#0=shared'])
  expect(fs.readFileSync(`${on}/b`, 'utf8')).toBe('shared')
})

test('a second name that goes loses nothing', async () => {
  const entries = [
    { name: 'a', content: 'shared' },
    { name: 'b', type: '1', link: 'a' },
    { name: 'b', content: 'other' },
  ]
  expect(await displaced(entries)).toEqual([])
})

test('a symbolic link on the way changes, the file stays where it is', async () => {
  const on = lower({ one: null, two: null, l: '-> one' })
  const entries = [
    { name: 'l/f', content: 'in one' },
    { name: 'l', type: '2', link: 'two' },
    { name: 'l/f', content: 'in two' },
  ]
  expect(await displaced(entries, on)).toEqual(['l/f#0=in one'])
  expect(list(on)).toEqual(['l', 'one/', 'one/f', 'two/', 'two/f'])
})

test('payloads that are never written: whiteouts and AUFS files with one', async () => {
  const entries = [
    { name: '.wh.a', content: 'body' },
    { name: '.wh..wh.aufs', content: 'aufs' },
    { name: 'd/.wh..wh..opq', content: 'opaque' },
  ]
  expect(await displaced(entries)).toEqual([
    '.wh..wh.aufs#0=aufs',
    '.wh.a#0=body',
    'd/.wh..wh..opq#0=opaque',
  ])
})

test('a sparse file is not kept: its payload is in the record', async () => {
  const sparse = {
    name: 'a',
    content: Buffer.concat([Buffer.from('1\n0\n4\n'.padEnd(512, '\0')), Buffer.from('data')]),
    pax: {
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.name': 'a',
      'GNU.sparse.realsize': '100',
    },
  }
  const entries = [sparse, { name: 'a', content: 'one' }, { name: 'a', content: 'two' }]
  expect(await displaced(entries)).toEqual(['a#0=one'])
})

test('a failure leaves nothing aside', async () => {
  const asideDir = tempDir()
  const tar = makeTar({ name: 'a', content: '1' }, { name: 'a', content: '2' }, { name: '../x' })
  await expect(applyLayer(tempDir(), [tar], { sys, asideDir })).rejects.toThrow('leads out')
  expect(fs.readdirSync(asideDir)).toEqual([])
})

test('without a place for them they are lost, and nothing else is', async () => {
  const on = tempDir()
  const tar = makeTar({ name: 'a', content: '1' }, { name: 'a', content: '2' })
  const applied = await applyLayer(on, [tar], { sys })
  expect(applied.displaced).toEqual([])
  expect(fs.readFileSync(`${on}/a`, 'utf8')).toBe('2')
})
