/** Headers that lie, numbers that overflow, archives that end too soon (T9, T10, T12, T18). */

import { metaEntry, paxEntry, type TarEntry, tarOf } from '../tar/build.ts'
import { bytesOf } from '../tar/bytes.ts'
import { type CorpusCase, either, harmless, refused } from './case.ts'

const INVALID = { codes: ['ERR_INVALID_TAR'] } as const
const TRUNCATED = { codes: ['ERR_TRUNCATED'] } as const
const FILE: TarEntry = { name: 'f', data: 'x'.repeat(1000) }
const HUGE = {
  codes: ['ERR_LIMIT_EXCEEDED', 'ERR_INVALID_TAR', 'ERR_TRUNCATED'],
} as const

/** Archives that are cut, damaged or no archives. */
export function damagedArchives(): CorpusCase[] {
  const whole = tarOf([{ name: 'd/' }, FILE])
  const cut = (length: number) => () => [whole.slice(0, length)]
  return [
    refused('cut in a header', cut(700), TRUNCATED),
    refused('cut in a payload', cut(1500), TRUNCATED),
    refused('cut before a payload', cut(1024), TRUNCATED),
    refused('wrong checksum', [{ ...FILE, spoil: (h) => h.fill(0x37, 148, 150) }], INVALID),
    refused(
      'checksum that is no number',
      [{ ...FILE, spoil: (h) => h.fill(0x7a, 148, 156) }],
      INVALID,
    ),
    refused(
      'one bit of a header turned',
      [
        {
          ...FILE,
          spoil: (h) => {
            h[3] = 1
          },
        },
      ],
      INVALID,
    ),
    refused('a block of 0xff', () => [new Uint8Array(512).fill(0xff)], INVALID),
    refused('a text', () => [bytesOf('no tar at all\n'.repeat(100))], INVALID),
    refused('a gzip file', () => [bytesOf(`\x1f\x8b\x08${'\0'.repeat(1021)}`)], INVALID),
    refused('a few bytes', () => [bytesOf('hello')], {
      codes: ['ERR_TRUNCATED', 'ERR_INVALID_TAR'],
    }),
    refused('data behind one zero block', [new Uint8Array(512), ...[FILE]], INVALID),
    refused('size that is no number', [{ ...FILE, edit: (h) => h.fill(0x78, 124, 136) }], INVALID),
    refused('mtime that is no number', [{ ...FILE, edit: (h) => h.fill(0x78, 136, 147) }], INVALID),
    refused('negative size', [{ ...FILE, size: -512n }], INVALID),
    refused('size of 2^62', [{ ...FILE, size: 2n ** 62n }], HUGE),
    refused('size of 8 GiB and no data', [{ ...FILE, size: 2n ** 33n }], HUGE),
    ...['7', 'D', 'M', 'V', 'Q'].map((type) =>
      refused(`entry of type ${type}`, [{ name: 'f', type, data: 'x' }], INVALID),
    ),
  ]
}

/** Extension headers that contradict, overflow or flood. */
export function lyingHeaders(): CorpusCase[] {
  const hidden = tarOf([{ name: '../hidden', data: 'bad' }], { zeroBlocks: 0 })
  return [
    harmless(
      'PAX size over an outer size of 0',
      [
        { name: 'f', size: 0, pax: { size: '5' }, data: 'hello' },
        { name: 'g', data: 'after' },
      ],
      { files: { f: 'hello', g: 'after' } },
    ),
    harmless(
      'archive hidden in a file',
      [
        { name: 'f', data: hidden },
        { name: 'g', data: 'after' },
      ],
      { files: { g: 'after', hidden: undefined } },
    ),
    refused(
      'PAX size too large for the archive',
      [{ name: 'f', pax: { size: '1000000' }, data: 'hello' }],
      TRUNCATED,
    ),
    refused('PAX size negative', [{ name: 'f', pax: { size: '-1' }, data: 'x' }]),
    refused('PAX size no number', [{ name: 'f', pax: { size: '0x10' }, data: 'x' }], INVALID),
    refused('PAX uid no number', [{ name: 'f', pax: { uid: 'root' } }], INVALID),
    refused('PAX mtime no number', [{ name: 'f', pax: { mtime: 'now' } }], INVALID),
    refused(
      'PAX record with a wrong length',
      [...metaEntry('x', 'x', bytesOf('99 path=other\n')), FILE],
      INVALID,
    ),
    refused('PAX record without =', [...metaEntry('x', 'x', bytesOf('8 other\n')), FILE], INVALID),
    refused(
      'PAX record without a length',
      [...metaEntry('x', 'x', bytesOf('path=a\n')), FILE],
      INVALID,
    ),
    refused(
      'PAX header at the end, cut',
      () => [tarOf(metaEntry('x', 'x', bytesOf('11 path=a\n')), { zeroBlocks: 0 }).slice(0, 600)],
      { codes: ['ERR_TRUNCATED', 'ERR_INVALID_TAR'] },
    ),
    harmless(
      'GNU long name between a PAX header and its file',
      [
        ...paxEntry('x', { comment: 'c' }),
        ...metaEntry('L', '././@LongLink', bytesOf('right\0')),
        { name: 'wrong', data: 'r' },
      ],
      { files: { right: 'r', wrong: undefined } },
    ),
    harmless(
      'PAX header before a global header',
      [
        ...paxEntry('x', { path: 'right' }),
        ...paxEntry('g', { path: '../global' }),
        { name: 'own', data: 'r' },
      ],
      { files: { own: 'r', right: undefined } },
    ),
    harmless(
      'global header with a path that climbs',
      [...paxEntry('g', { path: '../global', size: '99' }), { name: 'f', data: 'f' }],
      { files: { f: 'f' } },
    ),
    refused(
      'PAX header of 2 GiB, by its size',
      [...metaEntry('x', 'x', new Uint8Array(4096), 2 ** 31), FILE],
      HUGE,
    ),
    refused(
      'PAX header of 2 MiB',
      [...paxEntry('x', { comment: 'c'.repeat(2 * 1024 * 1024) }), FILE],
      HUGE,
    ),
    refused(
      'GNU long name of 2 GiB, by its size',
      [...metaEntry('L', 'L', new Uint8Array(4096), 2 ** 31), FILE],
      HUGE,
    ),
    ...(['dir', 'symlink', 'fifo'] as const).map((type) =>
      harmless(
        `${type} that claims a size`,
        [
          { name: 'odd', type, link: 'f', size: 4096 },
          { name: 'f', data: 'f' },
        ],
        { files: { f: 'f' } },
      ),
    ),
    either(
      'name of 100,000 components',
      [{ name: 'f', pax: { path: 'd/'.repeat(100_000) }, data: 'x' }],
      {
        codes: ['ERR_LIMIT_EXCEEDED', 'ERR_UNSAFE_PATH', 'ERR_INVALID_TAR'],
      },
    ),
    either('component of 300 bytes', [{ name: 'n'.repeat(300), data: 'x' }]),
    harmless('directories 300 deep', [{ name: `${'d/'.repeat(300)}f`, data: 'x' }], {
      files: { [`${'d/'.repeat(300)}f`]: 'x' },
    }),
    harmless(
      '16 MiB of zeros behind the end',
      function* () {
        yield tarOf([{ name: 'f', data: 'f' }])
        for (let i = 0; i < 256; i++) yield new Uint8Array(65_536)
      },
      { files: { f: 'f' } },
    ),
  ]
}

/** Owners and devices that do not exist (T18). */
export function impossibleNumbers(): CorpusCase[] {
  const owner = (uid: string) => [{ name: 'f', pax: { uid }, data: 'x' }]
  const device = (entry: Partial<TarEntry>) => [{ name: 'dev', type: 'char', ...entry }]
  return [
    refused('uid 2^32 - 1', owner('4294967295'), INVALID),
    refused('uid 2^32', owner('4294967296'), INVALID),
    refused('uid 2^32 + 1', owner('4294967297'), INVALID),
    refused('uid -1', [{ name: 'f', uid: -1 }], INVALID),
    refused('gid 2^40', [{ name: 'f', gid: 2 ** 40 }], INVALID),
    refused('uid beyond 64 bits', owner('9'.repeat(25)), INVALID),
    refused('device major 2^32', device({ major: 2 ** 32 }), INVALID),
    refused('device minor -1', device({ minor: -1, major: 1 }), INVALID),
    either('device 0:0', device({ major: 0, minor: 0 })),
    harmless('time before 1970', [{ name: 'f', mtime: -1_000_000, data: 'f' }], {
      files: { f: 'f' },
    }),
    either('time in the year 300,000,000', [{ name: 'f', mtime: 2 ** 53, data: 'f' }]),
  ]
}

/** Sparse files that claim too much, or contradict themselves. */
export function lyingSparseFiles(): CorpusCase[] {
  const sparse = (name: string, map: string, size: string, data = 'data') =>
    either(name, [{ name: 'f', pax: { 'GNU.sparse.map': map, 'GNU.sparse.size': size }, data }])
  const refusedSparse = (name: string, map: string, size: string) =>
    refused(name, [
      { name: 'f', pax: { 'GNU.sparse.map': map, 'GNU.sparse.size': size }, data: 'data' },
    ])
  return [
    sparse('sparse file with a hole of 60 GB', '0,4', '60000000000'),
    sparse('sparse file of 2^62 bytes', '0,4', String(2n ** 62n)),
    sparse('sparse map with many empty pieces', `${'0,0,'.repeat(5000)}0,4`, '4'),
    refusedSparse('sparse piece beyond the end', '100,4', '50'),
    refusedSparse('sparse pieces that overlap', '0,3,2,1', '10'),
    refusedSparse('sparse piece of negative length', '0,-4', '10'),
    refusedSparse('sparse map with an odd count', '0,4,8', '10'),
    refusedSparse('sparse map with more than there is', '0,400', '1000'),
    either('GNU sparse file of size 0 with data', [
      { name: 'f', type: 'S', format: 'gnu', data: 'x'.repeat(1024) },
    ]),
    refused(
      'sparse map in the data, cut',
      [
        {
          name: 'f',
          pax: {
            'GNU.sparse.major': '1',
            'GNU.sparse.minor': '0',
            'GNU.sparse.name': 'f',
            'GNU.sparse.realsize': '10',
          },
          data: '99\n0\n',
        },
      ],
      { codes: ['ERR_INVALID_TAR', 'ERR_TRUNCATED', 'ERR_LIMIT_EXCEEDED'] },
    ),
  ]
}
