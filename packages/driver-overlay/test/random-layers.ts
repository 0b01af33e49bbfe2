import type { TarEntry } from '@varve/testkit'
import fc from 'fast-check'

/** Few names, so that layers meet; one that is not UTF-8. */
const name = fc.constantFrom('a', 'b', 'c', 'd')
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const mode = fc.constantFrom(0o755, 0o700, 0o4711, 0o1777)
const owner = fc.constantFrom(0, 1, 1000)
const mtime = fc.integer({ min: 1_000_000_000, max: 1_000_000_003 })
const meta = fc.record({ mode, uid: owner, gid: owner, mtime })
const xattrs = fc.constantFrom<Record<string, string>>(
  {},
  { 'user.x': '1' },
  { 'trusted.overlay.opaque': 'y', 'user.y': '2' },
  { 'trusted.overlay.redirect': '/a', 'user.overlay.opaque': 'y' },
)

const file = fc
  .record({ path, meta, xattrs, data: fc.constantFrom('', '1', '22', '333') })
  .map(({ path, meta, xattrs, data }): TarEntry => ({ ...meta, name: path, data, xattrs }))
const directory = fc
  .record({ path, meta, xattrs })
  .map(({ path, meta, xattrs }): TarEntry => ({ ...meta, name: `${path}/`, xattrs }))
const symlink = fc
  .record({ path, meta, target: fc.constantFrom('a', '/b', '../c', '/d/a', 'nowhere') })
  .map(
    ({ path, meta, target }): TarEntry => ({
      ...meta,
      name: path,
      type: 'symlink',
      link: target,
    }),
  )
const hardlink = fc.record({ path, meta, target: path }).map(
  ({ path, meta, target }): TarEntry => ({
    ...meta,
    name: path,
    type: 'hardlink',
    link: target,
  }),
)
const device = fc
  .record({ path, meta, type: fc.constantFrom('char', 'block', 'fifo') })
  .map(({ path, meta, type }): TarEntry => ({ ...meta, name: path, type, major: 1, minor: 3 }))
const whiteout = fc.record({ path, opaque: fc.boolean() }).map(({ path, opaque }): TarEntry => {
  if (opaque) return { name: `${path}/.wh..wh..opq` }
  const parts = path.split('/')
  const last = parts.pop() as string
  return { name: [...parts, `.wh.${last}`].join('/') }
})
const rootOpaque = fc.constant<TarEntry>({ name: '.wh..wh..opq' })

/** What a base layer may hold. */
export const baseLayer: fc.Arbitrary<readonly TarEntry[]> = fc.array(
  fc.oneof(file, file, directory, directory, symlink, device),
  { minLength: 1, maxLength: 12 },
)

/** Any entry anywhere: replacing, hiding and linking to what is there, or is not. */
export const anyLayer: fc.Arbitrary<readonly TarEntry[]> = fc.array(
  fc.oneof(
    { arbitrary: file, weight: 4 },
    { arbitrary: directory, weight: 4 },
    { arbitrary: symlink, weight: 2 },
    { arbitrary: hardlink, weight: 2 },
    { arbitrary: device, weight: 1 },
    { arbitrary: whiteout, weight: 5 },
    { arbitrary: rootOpaque, weight: 1 },
  ),
  { minLength: 1, maxLength: 8 },
)
