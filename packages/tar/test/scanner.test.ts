import { posix } from 'node:path'
import { cleanName, createTarScanner, encodeHeader, endOfArchive, paddingFor } from '@varve/tar'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { concat, oddTars, scan, utf8 } from './helpers.ts'

const meta = { mode: 0o644, uid: 0, gid: 0, mtime: { sec: 0, nsec: 0 } }
const file = (name: string, content: string): Uint8Array =>
  concat([
    encodeHeader({ ...meta, type: 'file', name: utf8(name), size: content.length }),
    utf8(content),
    paddingFor(content.length),
  ])

/** A copy of `block` with these bytes changed and the checksum right again. */
function edited(block: Uint8Array, at: number, text: string): Uint8Array {
  const copy = block.slice()
  copy.set(utf8(text), at)
  copy.fill(0x20, 148, 156)
  const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  copy.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
  return copy
}

describe('whatever is pushed', () => {
  const tars = [...oddTars.values()]
  const lengths = fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 4 })

  test('is handed out in order, up to the offset of an error', () => {
    fc.assert(
      fc.property(fc.constantFrom(...tars), lengths, (tar, cuts) => {
        const { bytes, error, offset } = scan(tar, cuts)
        if (!error) expect(bytes.length).toBe(tar.length)
        expect(offset).toBe(bytes.length)
        expect(Buffer.compare(bytes, tar.subarray(0, bytes.length))).toBe(0)
      }),
      { numRuns: runs(500) },
    )
  })

  test('has the same entries, payloads and errors however it is cut', () => {
    fc.assert(
      fc.property(fc.constantFrom(...tars), lengths, (tar, cuts) => {
        const whole = scan(tar)
        const cut = scan(tar, cuts)
        expect(cut.entries).toEqual(whole.entries)
        expect(cut.error?.message).toBe(whole.error?.message)
      }),
      { numRuns: runs(500) },
    )
  })
})

describe('an archive ends', () => {
  const tar = file('a', 'content')

  test.each([
    ['with two zero blocks', concat([tar, endOfArchive()])],
    ['with one', concat([tar, new Uint8Array(512)])],
    ['with none', tar],
    ['inside the padding after a payload', tar.subarray(0, 600)],
    ['right after a payload', tar.subarray(0, 512 + 7)],
    ['before anything', new Uint8Array(0)],
  ])('%s', (_, bytes) => {
    expect(scan(bytes).error).toBeUndefined()
  })

  test.each([
    ['inside a header', tar.subarray(0, 511)],
    ['inside a payload', tar.subarray(0, 515)],
    ['inside a second zero block', concat([tar, new Uint8Array(700)])],
  ])('but not %s', (_, bytes) => {
    expect(scan(bytes).error).toMatchObject({
      code: 'ERR_TRUNCATED',
      data: { offset: bytes.length },
    })
  })

  test('and what follows is raw, whatever it is', () => {
    let raw = 0
    const scanner = createTarScanner({
      raw: (bytes) => {
        raw += bytes.length
      },
      entry: () => {},
      payload: () => {},
      entryEnd: () => {},
    })
    scanner.push(endOfArchive())
    expect(scanner.ended).toBe(true)
    scanner.push(file('b', 'content'))
    scanner.end()
    expect(raw).toBe(2048)
  })
})

describe('an error says where', () => {
  test('a header with a wrong checksum', () => {
    const broken = file('b', 'x')
    broken[0] = 0x7a
    const { error, entries } = scan(concat([file('a', 'content'), broken]))
    expect(error).toMatchObject({ code: 'ERR_INVALID_TAR', data: { offset: 1024 } })
    expect(error?.message).toContain('1024')
    expect(entries).toHaveLength(1)
  })

  test('an extension header of more than 1 MiB, before its body is read', () => {
    const size = (2 * 1024 ** 3).toString(8).padStart(11, '0')
    for (const typeflag of ['x', 'g', 'L', 'K']) {
      const header = edited(edited(file('a', ''), 124, size), 156, typeflag)
      expect(scan(header).error?.code).toBe('ERR_LIMIT_EXCEEDED')
    }
  })

  test('a sparse map without end', () => {
    let block = edited(file('a', '').subarray(0, 512), 156, 'S')
    block = edited(block, 257, 'ustar  \0')
    block = edited(block, 345, '\0'.repeat(137))
    block = edited(block, 482, '\x01')
    const more = new Uint8Array(512)
    more[504] = 1
    const blocks = Array.from({ length: 3000 }, () => more)
    expect(scan(concat([block, ...blocks])).error?.code).toBe('ERR_LIMIT_EXCEEDED')
  })
})

describe('an entry', () => {
  test('begins where its first extension header does', () => {
    const long = file('x'.repeat(150), 'content')
    const { entries } = scan(concat([file('a', 'content'), long]))
    expect(entries.map(({ entry }) => entry.offset)).toEqual([0, 1024])
  })

  test('keeps its bytes when the chunk is gone', () => {
    const { entries } = scan(concat([file('first', 'a'), file('second', 'b')]), [100])
    const names = entries.map(({ entry }) => Buffer.from(entry.name).toString())
    expect(names).toEqual(['first', 'second'])
  })

  test('comes back as it was written, binary xattrs and names included', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 })
    const text = bytes.map((b) => b.map((byte) => byte || 1))
    fc.assert(
      fc.property(text, text, fc.nat(), fc.nat(), bytes, (name, linkname, uid, sec, value) => {
        const written = {
          type: 'symlink',
          name,
          linkname,
          mode: 0o755,
          uid,
          gid: 3,
          mtime: { sec, nsec: 0 },
          xattrs: new Map([['security.capability', value]]),
        } as const
        const { entries, error } = scan(concat([encodeHeader(written), endOfArchive()]), [77])
        expect(error).toBeUndefined()
        expect(entries).toHaveLength(1)
        expect(entries[0]?.entry).toMatchObject(written)
      }),
    )
  })

  test('of a sparse file tells where its data belongs', () => {
    const tar = oddTars.get('08-old-sparse.tar') as Uint8Array
    const [first] = scan(tar).entries
    const { sparse, size, storedSize } = first?.entry ?? {}
    expect(sparse?.form).toBe('gnu')
    const data = sparse?.regions.reduce((sum, { length }) => sum + length, 0)
    expect(data).toBe(storedSize)
    expect(size).toBeGreaterThan(storedSize ?? 0)
  })
})

test.each([
  ['', '.'],
  ['.', '.'],
  ['a', 'a'],
  ['a/', 'a'],
  ['a//', 'a'],
  ['./a', 'a'],
  ['a/./b', 'a/b'],
  ['a//b', 'a/b'],
  ['a/../b', 'b'],
  ['a/..', '.'],
  ['../a', '../a'],
  ['../../a/..', '../..'],
  ['/', '/'],
  ['/../a', '/a'],
  ['/a/b', '/a/b'],
  ['.a', '.a'],
  ['..a/b', '..a/b'],
  ['a/...', 'a/...'],
  ['./', '.'],
  ['//a', '/a'],
])('%j is cleaned to %j, as in Go', (name, clean) => {
  expect(Buffer.from(cleanName(utf8(name))).toString()).toBe(clean)
})

test('every short name of slashes, dots and a letter is cleaned as POSIX normalizes it', () => {
  const names = ['']
  for (const name of names) {
    const normal = posix.normalize(name)
    const expected = normal.length > 1 ? normal.replace(/\/$/, '') : normal
    expect([name, Buffer.from(cleanName(utf8(name))).toString()]).toEqual([name, expected])
    if (name.length < 7) names.push(`${name}/`, `${name}.`, `${name}a`)
  }
  expect(names.length).toBe((3 ** 8 - 1) / 2)
})

test.each([
  ['a file that ends in a slash', { name: utf8('a/') }],
  ['a NUL in a name', { name: utf8('a\0b') }],
  ['an unknown type', { type: 'other' as const }],
  ['a mode out of range', { mode: 0o10000000 }],
  ['a device number out of range', { type: 'char' as const, devminor: 2 ** 21 }],
  ['a negative size', { size: -1 }],
  ['a fraction of a second', { mtime: { sec: 1.5, nsec: 0 } }],
  ['an xattr with “=” in its name', { xattrs: new Map([['user.a=b', utf8('')]]) }],
])('a header with %s is not written', (_, fields) => {
  const header = { ...meta, type: 'file' as const, name: utf8('a'), ...fields }
  expect(() => encodeHeader(header)).toThrow('Cannot write tar header')
})
