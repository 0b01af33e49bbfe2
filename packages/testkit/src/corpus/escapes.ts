/** Names and links that lead out of the layer: T1 to T6 of what container tools fell for. */
import { type Canary, type CorpusCase, either, harmless, refused } from './case.ts'

const UNSAFE = { codes: ['ERR_UNSAFE_PATH'] } as const

/** Names with `..`, absolute names, and entries for the root itself (T1). */
export function namesThatEscape({ path }: Canary): CorpusCase[] {
  const up = `${'../'.repeat(40)}${path.slice(1)}`
  return [
    refused('name ../x', [{ name: '../x', data: 'bad' }], UNSAFE),
    refused('name a/../../x', [{ name: 'a/../../x', data: 'bad' }], UNSAFE),
    refused('name ./../x', [{ name: './../x', data: 'bad' }], UNSAFE),
    refused('name ..', [{ name: '..', type: 'dir', mode: 0o777 }], UNSAFE),
    refused('directory ../x/', [{ name: '../x/' }], UNSAFE),
    refused('symlink called ../x', [{ name: '../x', type: 'symlink', link: '/' }], UNSAFE),
    refused('fifo called ../x', [{ name: '../x', type: 'fifo' }], UNSAFE),
    refused(
      'hard link called ../x',
      [
        { name: 'a', data: 'a' },
        { name: '../x', type: 'hardlink', link: 'a' },
      ],
      UNSAFE,
    ),
    refused('name that climbs to the canary', [{ name: `${up}/file`, data: 'bad' }], UNSAFE),
    refused('whiteout that climbs to the canary', [{ name: `${up}/.wh.file` }], UNSAFE),
    refused('opaque mark that climbs to the canary', [{ name: `${up}/.wh..wh..opq` }], UNSAFE),
    refused('PAX path that climbs to the canary', [
      { name: 'a', pax: { path: `${up}/file` }, data: 'bad' },
    ]),
    refused('GNU long name that climbs to the canary', [
      { name: `${'../'.repeat(40)}${path.slice(1)}/file`, format: 'gnu', data: 'bad' },
    ]),
    harmless('absolute name', [{ name: `${path}/file`, data: 'inside' }], {
      files: { [`${path.slice(1)}/file`]: 'inside' },
    }),
    harmless('name with many slashes in front', [{ name: '///a//b', data: 'b' }], {
      files: { 'a/b': 'b' },
    }),
    either('name /../x', [{ name: '/../x', data: 'bad' }]),
    harmless('name with four dots', [{ name: '..../x', data: 'x' }], { files: { '..../x': 'x' } }),
    refused('PAX path with a NUL', [{ name: 'a', pax: { path: 'a\0b' }, data: 'bad' }]),
    refused('root as a symlink', [
      { name: './', type: 'symlink', link: path },
      { name: 'file', data: 'bad' },
    ]),
    refused('root as a file', [{ name: '.', type: 'file', data: 'bad' }]),
    refused('root as a fifo', [{ name: '/', type: 'fifo' }]),
    refused('empty name', [{ name: '', type: 'file', data: 'bad' }]),
  ]
}

/** Writing, linking, deleting and changing metadata through links (T2, T3, T5, T6). */
export function linksThatEscape({ path }: Canary): CorpusCase[] {
  const up = `${'../'.repeat(40)}${path.slice(1)}`
  const out = { name: 'out', type: 'symlink', link: path }
  const outUp = { ...out, link: up }
  return [
    either('write through an absolute symlink', [out, { name: 'out/file', data: 'bad' }]),
    either('write through a relative symlink', [outUp, { name: 'out/file', data: 'bad' }]),
    either('write through two symlinks', [
      out,
      { name: 'hop', type: 'symlink', link: 'out' },
      { name: 'hop/dir/inner', data: 'bad' },
    ]),
    either('write through a symlink of the layer beneath', [{ name: 'out/file', data: 'bad' }], {
      base: [outUp],
    }),
    either('write through a symlink to the root and up', [
      { name: 'top', type: 'symlink', link: '/' },
      { name: 'top/esc', type: 'symlink', link: '..' },
      { name: `top/esc/${path.slice(1)}/file`, data: 'bad' },
    ]),
    either('write through /proc/self/root', [
      { name: 'p', type: 'symlink', link: `/proc/self/root${path}` },
      { name: 'p/file', data: 'bad' },
    ]),
    either('write through a link behind a long chain', [
      ...Array.from({ length: 30 }, (_, i) => ({
        name: `l${i}`,
        type: 'symlink',
        link: i === 0 ? up : `l${i - 1}`,
      })),
      { name: 'l29/file', data: 'bad' },
    ]),
    either('write through a link that loops', [
      { name: 'a', type: 'symlink', link: 'b' },
      { name: 'b', type: 'symlink', link: 'a' },
      { name: 'a/file', data: 'bad' },
    ]),
    harmless(
      'file over a symlink',
      [
        { name: 'f', type: 'symlink', link: `${path}/file` },
        { name: 'f', data: 'inside' },
      ],
      { files: { f: 'inside' } },
    ),
    harmless('file over a symlink of the layer beneath', [{ name: 'f', data: 'inside' }], {
      base: [{ name: 'f', type: 'symlink', link: `${path}/file` }],
      files: { f: 'inside' },
    }),
    harmless(
      'directory over a symlink, open to all',
      [out, { name: 'out/', mode: 0o777, uid: 7, gid: 7 }, { name: 'out/file', data: 'inside' }],
      { files: { 'out/file': 'inside' } },
    ),
    harmless('symlink with a mode, owner and time', [
      { ...out, mode: 0o6777, uid: 7, gid: 7, mtime: 5 },
    ]),
    harmless('hard link to a symlink, with a mode and owner', [
      out,
      { name: 'h', type: 'hardlink', link: 'out', mode: 0o777, uid: 7, gid: 7 },
    ]),
    refused('hard link to an absolute name outside', [
      { name: 'h', type: 'hardlink', link: `${path}/file` },
    ]),
    refused('hard link that climbs out', [{ name: 'h', type: 'hardlink', link: `${up}/file` }]),
    refused('hard link through a symlink, then written', [
      out,
      { name: 'h', type: 'hardlink', link: 'out/file' },
      { name: 'h', data: 'bad' },
    ]),
    refused('hard link through a chain of links that climb', [
      { name: 'a/b/c/' },
      { name: 'a/b/c/up', type: 'symlink', link: '../..' },
      { name: 'a/b/escape', type: 'symlink', link: 'c/up/../..' },
      { name: 'h', type: 'hardlink', link: `a/b/escape/${up}/file` },
      { name: 'h', data: 'bad' },
    ]),
    refused(
      'hard link through a symlink of the layer beneath',
      [{ name: 'h', type: 'hardlink', link: 'out/file' }],
      { base: [outUp] },
    ),
    refused('hard link to the root', [{ name: 'h', type: 'hardlink', link: '.' }]),
    refused('hard link to nothing', [{ name: 'h', type: 'hardlink', link: 'missing' }]),
    refused('hard link to itself', [{ name: 'h', type: 'hardlink', link: 'h' }]),
    refused('hard link to a directory', [
      { name: 'd/' },
      { name: 'h', type: 'hardlink', link: 'd' },
    ]),
    either('whiteout through a symlink', [out, { name: 'out/.wh.file' }]),
    either('whiteout through a symlink of the layer beneath', [{ name: 'out/.wh.dir' }], {
      base: [outUp],
    }),
    either('opaque mark through a symlink', [outUp, { name: 'out/.wh..wh..opq' }]),
    either('opaque mark through a symlink beneath', [{ name: 'out/.wh..wh..opq' }], {
      base: [out],
    }),
    harmless('whiteout of a symlink', [{ name: '.wh.out' }], {
      base: [outUp],
      files: { out: undefined },
    }),
    ...replacedDirectories({ path }),
  ]
}

/** A directory that becomes a symlink while the layer is applied (T4). */
function replacedDirectories({ path }: Canary): CorpusCase[] {
  const swapped = (first: string, then: string, last: string) => [
    { name: first },
    { name: `${first}x`, data: 'x' },
    { name: then, type: 'symlink', link: path },
    { name: last, data: 'bad' },
  ]
  return [
    either('directory replaced by a symlink, then written to', swapped('d/', 'd', 'd/file')),
    either('directory replaced under a name with dots', swapped('d/', './d/.', 'd/file')),
    either('directory replaced under another spelling', swapped('d//', './/d', '././d/file')),
    either('directory replaced under an upper-case name', swapped('d/', 'D', 'd/file')),
    either(
      'directory replaced under a decomposed name',
      swapped('\u00e9/', 'e\u0301', '\u00e9/file'),
    ),
    either('directory replaced under ss for ß', swapped('ß/', 'ss', 'ß/file')),
    either('directory deeper down replaced', swapped('a/b/c/', 'a/b', 'a/b/dir/inner')),
    either(
      'directory of the layer beneath replaced',
      [
        { name: 'd', type: 'symlink', link: path },
        { name: 'd/file', data: 'bad' },
      ],
      { base: [{ name: 'd/' }] },
    ),
    either('directory made by a whiteout and a symlink', [
      { name: 'd/x', data: 'x' },
      { name: '.wh.d' },
      { name: 'd', type: 'symlink', link: path },
      { name: 'd/.wh.file' },
    ]),
  ]
}
