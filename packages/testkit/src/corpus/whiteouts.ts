/** Whiteouts, opaque marks and what is easily got wrong about them. */
import { type CorpusCase, either, odd, refused } from './case.ts'

const UNSAFE = { codes: ['ERR_UNSAFE_PATH', 'ERR_INVALID_TAR'] } as const

/** Lower layer of every case here. */
const BASE = [
  { name: 'd/' },
  { name: 'd/lower', data: 'lower' },
  { name: 'd/sub/' },
  { name: 'd/sub/deep', data: 'deep' },
  { name: 'f', data: 'old' },
]

/** Whiteouts by the rules of the OCI layer format. */
export function whiteouts(): CorpusCase[] {
  const on = (files: Readonly<Record<string, string | undefined>>) => ({ base: BASE, files })
  const opaque = { name: 'd/.wh..wh..opq' }
  const gone = { 'd/lower': undefined, 'd/sub/deep': undefined }
  return [
    odd('whiteout of a file', [{ name: '.wh.f' }], on({ f: undefined, 'd/lower': 'lower' })),
    odd('whiteout of a directory', [{ name: '.wh.d' }], on({ ...gone, f: 'old' })),
    odd('whiteout deep down', [{ name: 'd/sub/.wh.deep' }], on({ 'd/sub/deep': undefined })),
    odd('whiteout of nothing', [{ name: '.wh.nothing' }], on({ f: 'old' })),
    odd(
      'whiteout with a body',
      [
        { name: '.wh.f', data: 'body' },
        { name: 'g', data: 'g' },
      ],
      on({ f: undefined, g: 'g' }),
    ),
    odd('whiteout that is a directory', [{ name: '.wh.f', type: 'dir' }], on({ f: undefined })),
    odd(
      'whiteout, then the file anew',
      [{ name: '.wh.f' }, { name: 'f', data: 'new' }],
      on({ f: 'new' }),
    ),
    odd(
      'the file anew, then its whiteout',
      [{ name: 'f', data: 'new' }, { name: '.wh.f' }],
      on({ f: 'new' }),
    ),
    odd(
      'whiteout, then the directory anew',
      [{ name: '.wh.d' }, { name: 'd/' }, { name: 'd/n', data: 'n' }],
      on({ ...gone, 'd/n': 'n' }),
    ),
    odd(
      'whiteout, then a file in the directory',
      [{ name: '.wh.d' }, { name: 'd/n', data: 'n' }],
      on({ ...gone, 'd/n': 'n' }),
    ),
    odd(
      'a whiteout in the directory, then the whiteout of the directory',
      [{ name: 'd/' }, { name: 'd/.wh.lower' }, { name: 'd/n', data: 'n' }, { name: '.wh.d' }],
      on({ ...gone, 'd/n': 'n' }),
    ),
    odd(
      'opaque mark first',
      [{ name: 'd/' }, opaque, { name: 'd/n', data: 'n' }],
      on({ ...gone, 'd/n': 'n' }),
    ),
    odd(
      'opaque mark last',
      [{ name: 'd/' }, { name: 'd/n', data: 'n' }, opaque],
      on({ ...gone, 'd/n': 'n' }),
    ),
    odd(
      'opaque mark after an implied directory',
      [{ name: 'd/sub/n', data: 'n' }, opaque],
      on({ ...gone, 'd/sub/n': 'n' }),
    ),
    odd(
      'opaque mark at the root',
      [{ name: '.wh..wh..opq' }, { name: 'n', data: 'n' }],
      on({ ...gone, f: undefined, n: 'n' }),
    ),
    odd('opaque mark and a whiteout', [opaque, { name: 'd/.wh.lower' }], on(gone)),
    odd(
      'opaque mark in a new directory',
      [{ name: 'new/' }, { name: 'new/.wh..wh..opq' }, { name: 'new/n', data: 'n' }],
      on({ 'new/n': 'n', f: 'old' }),
    ),
    odd(
      'name that only looks like a whiteout',
      [{ name: '.whf', data: 'w' }],
      on({ '.whf': 'w', f: 'old' }),
    ),
    odd(
      'AUFS metadata',
      [
        { name: '.wh..wh.aufs', data: '' },
        { name: '.wh..wh.plnk/' },
        { name: '.wh..wh.plnk/1.2', data: 'linked' },
        { name: 'l', type: 'hardlink', link: '.wh..wh.plnk/1.2' },
      ],
      on({ l: 'linked', '.wh..wh.aufs': undefined, f: 'old' }),
    ),
    refused('whiteout of nothing at all', [{ name: '.wh.' }], UNSAFE),
    refused('whiteout of the directory itself', [{ name: 'd/.wh..' }], { ...UNSAFE, base: BASE }),
    refused('whiteout of the parent', [{ name: 'd/.wh...' }], { ...UNSAFE, base: BASE }),
    either('file in a whiteout', [{ name: '.wh.f/x', data: 'x' }], { base: BASE }),
  ]
}
