/** Payloads come back by name: from the layer, or as displaced. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, collect, type DisplacedFile, type FileGetter } from '@varve/core'
import { failsWith } from '../expect.ts'
import { bytesOf, raw } from '../tar/bytes.ts'
import type { DriverCase } from './case.ts'
import { inTempDir, type Kit } from './kit.ts'

const hasFiles: DriverCase['when'] = ({ reproducesExactDiffs }) => !reproducesExactDiffs

export const payloads: readonly DriverCase[] = [
  {
    name: 'files gives payloads by the raw name in the tar, in any order, more than once',
    when: hasFiles,
    run: async (kit) => {
      const id = await kit.layer([
        { name: './d/f', data: 'one' },
        { name: '/abs', data: 'two2' },
        { name: 'run/' },
        { name: 'var/run', type: 'symlink', link: '/run' },
        { name: 'var/run/pid', data: '12345' },
        { name: bytesOf('caf\xe9'), data: 'latin1' },
      ])
      await using files = await filesOf(kit, id)
      for (const [name, text] of [
        ['var/run/pid', '12345'],
        ['./d/f', 'one'],
        ['/abs', 'two2'],
        ['caf\xe9', 'latin1'],
        ['./d/f', 'one'],
      ] as const) {
        assert.equal(await read(files, name, text.length), text)
      }
    },
  },
  {
    name: 'files refuses names that lead out, and what is no regular file of that size',
    when: hasFiles,
    run: (kit) =>
      inTempDir(async (dir) => {
        await writeFile(join(dir, 'secret'), 'secret')
        const id = await kit.layer([
          { name: 'f', data: 'payload' },
          { name: 'd/' },
          { name: 'link', type: 'symlink', link: 'f' },
          { name: 'out', type: 'symlink', link: join(dir, 'secret') },
          { name: 'dir', type: 'symlink', link: `${'../'.repeat(40)}${dir.slice(1)}` },
          ...(kit.driver.capabilities.keeps.devices ? [{ name: 'pipe', type: 'fifo' }] : []),
        ])
        await using files = await filesOf(kit, id)
        const climbing = `${'../'.repeat(40)}${dir.slice(1)}/secret`
        const bad: [string, number][] = [
          ['missing', 6],
          ['f', 6],
          ['f', 8],
          ['d', 4096],
          ['link', 7],
          ['out', 6],
          ['dir/secret', 6],
          [climbing, 6],
          [`/${climbing}`, 6],
          [join(dir, 'secret'), 6],
          ['pipe', 6],
          ['', 0],
        ]
        for (const [name, size] of bad) {
          await failsWith('ERR_CORRUPT_LAYER', () => read(files, name, size))
        }
        assert.equal(await read(files, 'f', 7), 'payload')
      }),
  },
  {
    name: 'payloads that the finished layer does not hold are given as displaced',
    when: hasFiles,
    run: async (kit) => {
      const base = await kit.layer([{ name: 'gone', data: 'g' }])
      const id = await kit.create(base)
      await using applied = await kit.apply(id, base, [
        { name: 'f', data: 'first' },
        { name: 'f', data: 'second' },
        { name: 'f', data: '' },
        { name: 'f', data: 'the last' },
        { name: '.wh.gone', data: 'body' },
        { name: 'd', data: 'was a file' },
        { name: 'd/' },
        { name: 'kept', data: 'kept' },
        { name: 'h', data: 'own' },
        { name: 'h', type: 'hardlink', link: 'kept' },
      ])
      const displaced = await Promise.all(applied.displaced.map(told))
      assert.deepEqual(displaced.sort(), [
        '.wh.gone#0 body',
        'd#0 was a file',
        'f#0 first',
        'f#1 second',
        'h#0 own',
      ])
      await using files = await filesOf(kit, id)
      assert.equal(await read(files, 'f', 8), 'the last')
      assert.equal(await read(files, 'kept', 4), 'kept')
    },
  },
  {
    name: 'every payload of a layer is either in it or displaced',
    when: hasFiles,
    run: async (kit) => {
      const id = await kit.create()
      const entries = [
        { name: 'a', data: 'a1' },
        { name: './a', data: 'a2' },
        { name: 'dir/x', data: 'x1' },
        { name: 'dir', data: 'a file now' },
        { name: 'old', type: 'symlink', link: 'new' },
        { name: 'new/' },
        { name: 'old/y', data: 'y1' },
        { name: 'old', data: 'no link now' },
      ]
      await using applied = await kit.apply(id, undefined, entries)
      await using files = await filesOf(kit, id)
      const counts = new Map<string, number>()
      for (const { name, data } of entries) {
        if (data === undefined) continue
        const occurrence = counts.get(name) ?? 0
        counts.set(name, occurrence + 1)
        const aside = applied.displaced.find(
          (file) => raw(file.name) === name && file.occurrence === occurrence,
        )
        const text = aside
          ? raw(await collect(aside.open(), 2 ** 20))
          : await read(files, name, data.length)
        assert.equal(text, data, name)
      }
    },
  },
]

async function filesOf(kit: Kit, id: CacheID): Promise<FileGetter> {
  assert.ok(kit.driver.files, 'a driver that does not reproduce exact diffs needs files()')
  return await kit.driver.files(id)
}

async function read(files: FileGetter, name: string, size: number): Promise<string> {
  return raw(await collect(files.open(bytesOf(name), size), 2 ** 20))
}

async function told(file: DisplacedFile): Promise<string> {
  const data = await collect(file.open(), 2 ** 20)
  assert.equal(data.length, file.size)
  return `${raw(file.name)}#${file.occurrence} ${raw(data)}`
}
