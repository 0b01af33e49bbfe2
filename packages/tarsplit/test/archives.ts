import { encodeHeader, endOfArchive, paddingFor, type TarEntryType } from '@varve/tar'
import fc from 'fast-check'
import { runs } from '../../../test/runs.ts'
import { concat, fixture, goldens, utf8 } from './helpers.ts'

const pool: readonly Uint8Array[] = goldens.map(({ name }) => fixture(`${name}.tar`))

/** Real tars after an accident: mutated, cut short, cut up, one after the other. */
export const byteSoup: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.record({
      base: fc.nat(pool.length - 1),
      from: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(6)),
      cut: fc.oneof(
        { weight: 2, arbitrary: fc.constant(1) },
        fc.double({ min: 0, max: 1, noNaN: true }),
      ),
      changes: fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), {
        maxLength: 4,
      }),
      resum: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((parts) => {
    const bytes = parts.map(({ base, from, cut, changes, resum }) => {
      const tar = (pool[base] as Uint8Array).slice(from * 512)
      for (const [where, value] of changes) {
        const at = Math.floor(where * tar.length)
        if (tar.length > 0) tar[at] = value
        // With its checksum mended, a changed header is read on.
        if (resum) mendChecksum(tar, at - (at % 512))
      }
      return tar.subarray(0, Math.floor(cut * tar.length))
    })
    return concat(bytes)
  })

function mendChecksum(tar: Uint8Array, at: number): void {
  if (at + 512 > tar.length) return
  tar.fill(0x20, at + 148, at + 156)
  const sum = tar.subarray(at, at + 512).reduce((total, byte) => total + byte, 0)
  tar.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), at + 148)
}

const name = fc.oneof(
  { weight: 4, arbitrary: fc.stringMatching(/^[a-c]{1,2}(\/[a-c]{1,2}){0,3}$/) },
  fc.string({ unit: 'binary', minLength: 1, maxLength: 130 }).map((s) => s.replaceAll('\0', '0')),
  fc.constantFrom('./', './a', 'a//b', '.wh.a', 'a/.wh..wh..opq', '..', '/a', '<&>\u2028'),
)

const file = fc.record({
  type: fc.constantFrom<TarEntryType>(
    'file',
    'file',
    'file',
    'directory',
    'symlink',
    'link',
    'fifo',
  ),
  name: name.map(utf8),
  mode: fc.nat(0o7777),
  uid: fc.nat(),
  gid: fc.nat(),
  mtime: fc.record({ sec: fc.integer(), nsec: fc.constant(0) }),
  content: fc.uint8Array({ maxLength: 1500 }),
})

/** Well-formed archives as we write them, duplicates and whiteouts included. */
export const sampleArchive: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.array(file, { maxLength: 8 }), fc.nat(20), fc.uint8Array({ maxLength: 700 }))
  .map(([files, zeroBlocks, junk]) => {
    const parts = files.flatMap(({ content, ...header }) => {
      const isFile = header.type === 'file' && header.name.at(-1) !== 0x2f
      const type = isFile || header.type !== 'file' ? header.type : 'directory'
      const named = type === 'fifo' && header.name.at(-1) === 0x2f ? utf8('f') : header.name
      const body = isFile ? content : new Uint8Array(0)
      const blocks = encodeHeader({ ...header, type, name: named, size: body.length })
      return [blocks, body, paddingFor(body.length)]
    })
    return concat([...parts, endOfArchive(), new Uint8Array(zeroBlocks * 512), junk])
  })

export const byteSoups = (count: number): Uint8Array[] =>
  fc.sample(byteSoup, { numRuns: runs(count) })
export const sampleArchives = (count: number): Uint8Array[] =>
  fc.sample(sampleArchive, { numRuns: runs(count) })
