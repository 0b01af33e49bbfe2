import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { sha256, tarOf } from './archives.ts'
import { contents, example, expectClean, jsonLines, ok, scratch, varve } from './varve.ts'

const base = tarOf([{ name: 'etc/' }, { name: 'etc/motd', content: 'hello' }])
const child = tarOf([
  { name: 'etc/.wh.motd', content: '' },
  { name: 'new', content: 'x' },
])

describe('layer register', () => {
  test.each([
    ['plain', (tar: Uint8Array) => tar],
    ['gzip', (tar: Uint8Array) => gzipSync(tar)],
    ['zstd', (tar: Uint8Array) => zstdCompressSync(tar)],
  ])('%s: prints the ChainID, and tar gives the bytes back', async (_name, pack) => {
    const folder = await scratch()
    const root = join(folder, 'store')
    await writeFile(join(folder, 'layer'), pack(base))
    const id = (await ok(['layer', 'register', join(folder, 'layer')], { root })).trim()
    expect(id).toBe(sha256(base))
    const { bytes } = await varve(['layer', 'tar', id], { root })
    expect(Buffer.compare(bytes, base)).toBe(0)
  })

  test('--parent stands it on another, by the beginning of its ChainID', async () => {
    const folder = await scratch()
    const root = join(folder, 'store')
    const under = (await ok(['layer', 'register'], { root, stdin: base })).trim()
    const over = (
      await ok(['layer', 'register', '--parent', under.slice(7, 17), '-'], { root, stdin: child })
    ).trim()
    expect(over).toBe(sha256(`${under} ${sha256(child)}`))
    const layers = jsonLines(await ok(['layer', 'ls', '--json'], { root }))
    expect(layers.map((l) => [l.chainID, l.parent, l.depth])).toEqual([
      [under, undefined, 1],
      [over, under, 2],
    ])
    const [details] = JSON.parse(await ok(['layer', 'inspect', over], { root }))
    expect(details).toMatchObject({ chainID: over, depth: 2, chain: [over, under] })
    const output = join(folder, 'out.tar')
    await ok(['layer', 'tar', over.slice(0, 20), '-o', output], { root })
    expect(Buffer.compare(await readFile(output), child)).toBe(0)

    const used = await varve(['layer', 'rm', under, '--json'], { root })
    expect(used.code).toBe(1)
    expect(jsonLines(used.stderr)[0].error.code).toBe('ERR_LAYER_IN_USE')
    const removed = jsonLines(await ok(['layer', 'rm', over, '--json'], { root }))
    expect(removed.map((l) => l.chainID)).toEqual([over, under])
  })

  test('--expect refuses another layer, and keeps nothing of it', async () => {
    const root = join(await scratch(), 'store')
    const before = await contents(root)
    expect(before).toBe('no store')
    const args = ['layer', 'register', '--expect', sha256('other'), '--json']
    const { code, stderr } = await varve(args, { root, stdin: base })
    expect(code).toBe(1)
    expect(jsonLines(stderr)[0].error.code).toBe('ERR_DIGEST_MISMATCH')
    expect(await contents(root)).toEqual({ layers: [], images: [] })
    await expectClean(root)
  })

  test('a layer that an image needs is not removed with its last child', async () => {
    const root = join(await scratch(), 'store')
    await ok(['load', '-q', example], { root })
    const before = await contents(root)
    const [{ chainID }] = jsonLines(await ok(['images', '--json'], { root }))
    const over = (
      await ok(['layer', 'register', '--parent', chainID], { root, stdin: child })
    ).trim()
    expect((await ok(['layer', 'rm', over], { root })).trim().split('\n')).toHaveLength(1)
    expect(await contents(root)).toEqual(before)
    expect((await varve(['layer', 'rm', chainID], { root })).code).toBe(1)
    expect(await contents(root)).toEqual(before)
  })
})

describe('a ChainID', () => {
  test.each([
    ['that no layer has', sha256('nobody'), 'ERR_LAYER_NOT_FOUND'],
    ['that no layer begins with', 'abcdef', 'ERR_LAYER_NOT_FOUND'],
    ['that is none', '../../etc', 'ERR_LAYER_NOT_FOUND'],
    ['that is only its prefix', 'sha256:', 'ERR_LAYER_NOT_FOUND'],
  ])('%s is an error', async (_what, id, code) => {
    const root = join(await scratch(), 'store')
    await ok(['layer', 'register'], { root, stdin: base })
    const result = await varve(['layer', 'inspect', id, '--json'], { root })
    expect(result.code).toBe(1)
    expect(jsonLines(result.stderr)[0].error.code).toBe(code)
  })

  test('that several begin with is ambiguous', async () => {
    const root = join(await scratch(), 'store')
    const first = new Map<string, string>()
    // Among 17 layers two begin with the same digit.
    for (let i = 0; i < 17; i++) {
      const tar = tarOf([{ name: `file-${i}`, content: String(i) }])
      const digit = sha256(tar).charAt('sha256:'.length)
      await ok(['layer', 'register'], { root, stdin: tar })
      if (first.has(digit)) {
        const { code, stderr } = await varve(['layer', 'tar', digit, '--json'], { root })
        expect(code).toBe(1)
        expect(jsonLines(stderr)[0].error.code).toBe('ERR_AMBIGUOUS_ID')
        return
      }
      first.set(digit, sha256(tar))
    }
    throw new Error('no two layers began with the same digit')
  })
})
