import type { TarEntry } from '@varve/testkit'
import fc from 'fast-check'

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0))
const capability = bytes('\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0')

/** Few names, so that entries meet; one that is not UTF-8, and some that sort before a dot. */
const name = fc.constantFrom('a', 'b', 'c', 'd', '-x', '+', '...', '.a', 'caf\xe9', 'n'.repeat(200))
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const mode = fc.constantFrom(0o755, 0o700, 0o4711, 0o1777)
const owner = fc.constantFrom(0, 1, 1000, 70_000, 2 ** 32 - 2)
const mtime = fc.constantFrom('1000000000', '1000000000.5', '4294967296.123456789', '5000000000')
const meta = fc
  .record({ mode, uid: owner, gid: owner, mtime })
  .map(({ mtime, ...rest }) => ({ ...rest, pax: { mtime } }))
const xattrs = fc.constantFrom<Record<string, string | Uint8Array>>(
  {},
  {},
  { 'user.x': '1' },
  { 'security.capability': capability, 'user.x': '1' },
  { 'trusted.deep': 'y'.repeat(700), 'user.empty': '' },
)
const data = fc.constantFrom('', '1', '22', 'x'.repeat(511), 'y'.repeat(513), 'z'.repeat(9000))

const file = fc
  .record({ path, meta, xattrs, data })
  .map(({ path, meta, xattrs, data }): TarEntry => ({ ...meta, name: bytes(path), data, xattrs }))
const directory = fc.record({ path, meta, xattrs }).map(
  ({ path, meta, xattrs }): TarEntry => ({
    ...meta,
    name: bytes(`${path}/`),
    type: 'dir',
    xattrs,
  }),
)
const target = fc.constantFrom('a', '/b', '../c', '/d/a', 'nowhere', 'long/'.repeat(150))
const symlink = fc.record({ path, meta, target }).map(
  ({ path, meta, target }): TarEntry => ({
    ...meta,
    name: bytes(path),
    type: 'symlink',
    link: target,
  }),
)
const hardlink = fc.record({ path, meta, target: path }).map(
  ({ path, meta, target }): TarEntry => ({
    ...meta,
    name: bytes(path),
    type: 'hardlink',
    link: bytes(target),
  }),
)
const device = fc
  .record({
    path,
    meta,
    type: fc.constantFrom('char', 'block', 'fifo'),
    major: fc.constantFrom(1, 259, 4095),
    minor: fc.constantFrom(3, 70_000, 2 ** 20 - 1),
  })
  .map(({ path, meta, ...rest }): TarEntry => ({ ...meta, ...rest, name: bytes(path) }))
const whiteout = fc.record({ path, opaque: fc.boolean() }).map(({ path, opaque }): TarEntry => {
  if (opaque) return { name: bytes(`${path}/.wh..wh..opq`) }
  const parts = path.split('/')
  const last = parts.pop() as string
  return { name: bytes([...parts, `.wh.${last}`].join('/')) }
})

/** What a base layer may hold. */
export const baseLayer: fc.Arbitrary<readonly TarEntry[]> = fc.array(
  fc.oneof(file, file, directory, directory, symlink, device),
  { minLength: 1, maxLength: 14 },
)

/** Any entry anywhere: replacing, hiding and linking to what is there, or is not. */
export const anyLayer: fc.Arbitrary<readonly TarEntry[]> = fc.array(
  fc.oneof(
    { arbitrary: file, weight: 4 },
    { arbitrary: directory, weight: 4 },
    { arbitrary: symlink, weight: 2 },
    { arbitrary: hardlink, weight: 3 },
    { arbitrary: device, weight: 1 },
    { arbitrary: whiteout, weight: 5 },
    { arbitrary: fc.constant<TarEntry>({ name: '.wh..wh..opq' }), weight: 1 },
  ),
  { minLength: 1, maxLength: 8 },
)

/**
 * Names that do not meet, each directory before what is in it and all of that in a row: what any tar
 * program unpacks alike. (GNU tar sets a directory's time once the archive has left it.)
 */
export const plainTree: fc.Arbitrary<readonly TarEntry[]> = fc
  .uniqueArray(fc.oneof(file, directory, directory, symlink, device), {
    maxLength: 30,
    selector: ({ name }) =>
      Buffer.from(name as Uint8Array)
        .toString('latin1')
        .replace(/\/$/, ''),
  })
  .map((entries) => {
    const kept: TarEntry[] = []
    const directories = new Set([''])
    const nameOf = (entry: TarEntry) => Buffer.from(entry.name as Uint8Array).toString('latin1')
    for (const entry of entries.toSorted((a, b) => nameOf(a).length - nameOf(b).length)) {
      const path = nameOf(entry).replace(/\/$/, '')
      const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
      if (!directories.has(parent)) continue
      if (entry.type === 'dir') directories.add(path)
      kept.push(entry)
      if (entry.type === undefined) {
        const name = bytes(`${parent}${parent ? '/' : ''}z-${kept.length}`)
        kept.push({ ...entry, name, type: 'hardlink', link: entry.name, data: '', xattrs: {} })
      }
    }
    const keyOf = (entry: TarEntry) => nameOf(entry).replace(/\/$/, '').replaceAll('/', '\0')
    return kept.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  })
