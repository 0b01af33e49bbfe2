/** Honest tars of every dialect. */

import { paxEntry, tarOf } from '../tar/build.ts'
import { bytesOf } from '../tar/bytes.ts'
import { type CorpusCase, odd } from './case.ts'

const LONG = `${'long/'.repeat(30)}name`

/** Dialects, names, types and replacements that every driver must take. */
export function oddities(): CorpusCase[] {
  return [
    odd('empty archive', () => [new Uint8Array(1024)]),
    odd('no end of archive', () => [tarOf([{ name: 'f', data: 'f' }], { zeroBlocks: 0 })], {
      files: { f: 'f' },
    }),
    odd('one zero block at the end', () => [tarOf([{ name: 'f', data: 'f' }], { zeroBlocks: 1 })], {
      files: { f: 'f' },
    }),
    odd(
      'twenty zero blocks at the end',
      () => [tarOf([{ name: 'f', data: 'f' }], { zeroBlocks: 20 })],
      {
        files: { f: 'f' },
      },
    ),
    odd(
      'chunks of one byte',
      function* () {
        for (const byte of tarOf([{ name: 'f', data: 'f' }])) yield Uint8Array.of(byte)
      },
      { files: { f: 'f' } },
    ),
    odd('v7 header', [{ name: 'f', format: 'v7', data: 'f' }], { files: { f: 'f' } }),
    odd('GNU long name', [{ name: LONG, format: 'gnu', data: 'f' }], { files: { [LONG]: 'f' } }),
    odd('PAX long name', [{ name: LONG, data: 'f' }], { files: { [LONG]: 'f' } }),
    odd('ustar prefix', [{ name: 'f', data: 'f', edit: (h) => h.set(bytesOf('pre/fix'), 345) }], {
      files: { 'pre/fix/f': 'f' },
    }),
    odd('name of exactly 100 bytes', [{ name: 'n'.repeat(100), data: 'f' }], {
      files: { ['n'.repeat(100)]: 'f' },
    }),
    odd(
      'long link target',
      [
        { name: LONG, data: 'f' },
        { name: 'h', type: 'hardlink', link: LONG, format: 'gnu' },
      ],
      { files: { h: 'f' } },
    ),
    odd(
      'names with spaces, signs and scripts',
      [
        { name: 'a b\tc\nd', data: '1' },
        { name: 'back\\slash:colon', data: '2' },
        { name: 'größe/файл/文件', data: '3' },
      ],
      { files: { 'a b\tc\nd': '1', 'back\\slash:colon': '2', 'größe/файл/文件': '3' } },
    ),
    odd(
      'directory by its slash alone',
      [
        { name: 'd/', type: '\0' },
        { name: 'd/f', data: 'f' },
      ],
      {
        files: { 'd/f': 'f' },
      },
    ),
    odd('global header', [...paxEntry('g', { comment: 'c' }), { name: 'f', data: 'f' }], {
      files: { f: 'f', pax_global_header: undefined },
    }),
    odd('numbers in base 256', [{ name: 'f', uid: 2_100_000, mtime: 2 ** 33 + 5, data: 'f' }], {
      files: { f: 'f' },
    }),
    odd(
      'same name twice',
      [
        { name: 'f', data: 'first' },
        { name: 'f', data: 'last' },
      ],
      {
        files: { f: 'last' },
      },
    ),
    odd(
      'same name three times in three spellings',
      [
        { name: 'd/f', data: '1' },
        { name: './d/f', data: '22' },
        { name: 'd//f', data: '333' },
      ],
      { files: { 'd/f': '333' } },
    ),
    odd('file over a directory', [{ name: 'd', data: 'file' }], {
      base: [{ name: 'd/' }, { name: 'd/x', data: 'x' }],
      files: { d: 'file', 'd/x': undefined },
    }),
    odd('directory over a file', [{ name: 'd/' }, { name: 'd/x', data: 'x' }], {
      base: [{ name: 'd', data: 'file' }],
      files: { 'd/x': 'x' },
    }),
    odd('directory over a directory keeps its files', [{ name: 'd/', mode: 0o700 }], {
      base: [{ name: 'd/' }, { name: 'd/x', data: 'x' }],
      files: { 'd/x': 'x' },
    }),
    odd('file over a hard link leaves the other name alone', [{ name: 'a', data: 'new' }], {
      base: [
        { name: 'a', data: 'old' },
        { name: 'b', type: 'hardlink', link: 'a' },
      ],
      files: { a: 'new', b: 'old' },
    }),
    odd(
      'file over a hard link of the same layer',
      [
        { name: 'a', data: 'old' },
        { name: 'b', type: 'hardlink', link: 'a' },
        { name: 'a', data: 'new' },
      ],
      { files: { a: 'new', b: 'old' } },
    ),
    odd(
      'hard link with a slash in front',
      [
        { name: 'a', data: 'a' },
        { name: 'b', type: 'hardlink', link: '/a' },
      ],
      { files: { b: 'a' } },
    ),
    odd(
      'file in a directory reached by an absolute symlink',
      [
        { name: 'run/' },
        { name: 'var/run', type: 'symlink', link: '/run' },
        { name: 'var/run/pid', data: '1' },
      ],
      { files: { 'run/pid': '1' } },
    ),
    odd('parents that are never listed', [{ name: 'a/b/c/f', data: 'f' }], {
      files: { 'a/b/c/f': 'f' },
    }),
    odd('symlinks that dangle', [
      { name: 's', type: 'symlink', link: '/nowhere/at/all' },
      { name: 't', type: 'symlink', link: '../../../..' },
    ]),
    ...sparseFiles(),
  ]
}

function sparseFiles(): CorpusCase[] {
  const files = { s: `\0\0\0\0data${'\0'.repeat(1000)}end`, after: 'a' }
  const after = { name: 'after', data: 'a' }
  const octal = (value: number) => bytesOf(`${value.toString(8).padStart(11, '0')}\0`)
  return [
    odd(
      'GNU sparse file',
      [
        {
          name: 's',
          type: 'S',
          format: 'gnu',
          data: 'dataend',
          edit: (h) => {
            for (const [i, value] of [4, 4, 1008, 3].entries()) h.set(octal(value), 386 + i * 12)
            h.set(octal(1011), 483)
          },
        },
        after,
      ],
      { files },
    ),
    odd(
      'PAX sparse file, version 0.1',
      [
        {
          name: 's',
          pax: {
            'GNU.sparse.size': '1011',
            'GNU.sparse.map': '4,4,1008,3',
            'GNU.sparse.numblocks': '2',
          },
          data: 'dataend',
        },
        after,
      ],
      { files },
    ),
    odd(
      'PAX sparse file, version 1.0',
      [
        {
          name: 'GNUSparseFile.0/s',
          pax: {
            'GNU.sparse.major': '1',
            'GNU.sparse.minor': '0',
            'GNU.sparse.name': 's',
            'GNU.sparse.realsize': '1011',
          },
          data: `${'2\n4\n4\n1008\n3\n'.padEnd(512, '\0')}dataend`,
        },
        after,
      ],
      { files },
    ),
  ]
}
