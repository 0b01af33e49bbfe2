import { crc32 } from 'node:zlib'
import { encodeHeader, type TarEntryType, type TarHeader } from '@varve/tar'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { goPeer } from './go-peer.ts'
import { expanded, oddTars, type Scanned, scan, utf8 } from './helpers.ts'

const peer = goPeer()
afterAll(() => peer?.[Symbol.dispose]())

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Their content is 8 GiB and more. */
const TOO_LARGE = new Set(['08-old-sparse-1TiB.tar', 'golang-gnu-sparse-big.tar'])

/** An entry in the words of the Go program. */
function described(scanned: Scanned['entries'][number]): Record<string, unknown> {
  const { entry } = scanned
  const xattrs = [...entry.xattrs].map(([name, value]) => [hex(utf8(name)), hex(value)])
  const isGlobal = entry.type === 'global'
  return {
    Typeflag: entry.typeflag,
    Name: hex(entry.name),
    Linkname: hex(entry.linkname),
    Uname: hex(entry.uname),
    Gname: hex(entry.gname),
    Mode: entry.mode,
    Size: entry.claimedSize,
    UID: entry.uid,
    GID: entry.gid,
    Mtime: isGlobal ? 0 : entry.mtime.sec,
    MtimeNsec: isGlobal ? 0 : entry.mtime.nsec,
    Devmajor: entry.devmajor,
    Devminor: entry.devminor,
    Xattrs: Object.fromEntries(xattrs),
    Sum: crc32(expanded(scanned)),
  }
}

describe.skipIf(!peer)("as Go's archive/tar (needs go)", () => {
  test.each([...oddTars].filter(([name]) => !TOO_LARGE.has(name)))(
    '%s is read: entries, payloads, refusals',
    (_, tar) => {
      const lines = peer?.run('read', tar).split('\n').slice(0, -1) ?? []
      const theirs = lines.map((line) => JSON.parse(line) as unknown)
      const { entries, error } = scan(tar, [1000])
      const refused = typeof theirs.at(-1) === 'string'
      expect(error !== undefined, `${error}, Go: ${lines.at(-1)}`).toBe(refused)
      if (refused) theirs.pop()
      expect(entries.slice(0, theirs.length).map(described)).toEqual(theirs)
    },
  )

  test('a header is written', () => {
    const headers = fc.sample(header, { numRuns: runs(1500) })
    const input = headers.map((h) => JSON.stringify(inGo(h))).join('\n')
    const theirs = peer?.run('write', input).split('\n') ?? []
    let written = 0
    for (const [i, h] of headers.entries()) {
      const where = JSON.stringify(inGo(h))
      if (theirs[i] === 'error') {
        expect(() => encodeHeader(h), where).toThrow('Cannot write tar header')
      } else {
        expect(Buffer.from(encodeHeader(h)).toString('base64'), where).toBe(theirs[i])
        written++
      }
    }
    expect(written).toBeGreaterThan(headers.length / 2)
  })
})

const FLAGS: Readonly<Partial<Record<TarEntryType, number>>> = {
  file: 0x30,
  link: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
}

function inGo(h: TarHeader): Record<string, unknown> {
  return {
    Typeflag: FLAGS[h.type],
    Name: hex(h.name),
    Linkname: hex(h.linkname ?? utf8('')),
    Uname: hex(h.uname ?? utf8('')),
    Gname: hex(h.gname ?? utf8('')),
    Mode: h.mode,
    Size: h.type === 'file' ? (h.size ?? 0) : 0,
    UID: h.uid,
    GID: h.gid,
    Mtime: h.mtime.sec,
    Devmajor: h.devmajor ?? 0,
    Devminor: h.devminor ?? 0,
    Xattrs: Object.fromEntries(
      [...(h.xattrs ?? [])].map(([name, value]) => [hex(utf8(name)), hex(value)]),
    ),
  }
}

const name: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.stringMatching(/^[a-d/.]{1,20}$/).map(utf8),
  fc
    .array(fc.stringMatching(/^[a-z]{1,60}\/?$/), { minLength: 1, maxLength: 9 })
    .map((parts) => utf8(parts.join('/'))),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).map(utf8),
  fc.uint8Array({ minLength: 1, maxLength: 120 }),
)
const short = fc.oneof(fc.constant(''), fc.string({ maxLength: 40 })).map(utf8)
const id = fc.oneof(fc.nat(70_000), fc.nat(2 ** 31 - 1), fc.constantFrom(-1, 2 ** 21, 2 ** 21 - 1))
const xattr = fc.constantFrom(
  'user.a',
  'security.capability',
  'user.\u00fc',
  'trusted.overlay.opaque',
)

const header: fc.Arbitrary<TarHeader> = fc.record({
  type: fc.constantFrom(...(Object.keys(FLAGS) as TarEntryType[])),
  name,
  linkname: fc.oneof(fc.constant(utf8('')), name),
  uname: short,
  gname: short,
  mode: fc.oneof({ weight: 9, arbitrary: fc.nat(0o7777) }, fc.constantFrom(0o7777777, 0o10000000)),
  uid: id,
  gid: id,
  size: fc.oneof(fc.nat(), fc.constantFrom(2 ** 33 - 1, 2 ** 33, 2 ** 40)),
  mtime: fc.record({
    sec: fc.oneof(fc.nat(), fc.constantFrom(-1, 2 ** 33 - 1, 2 ** 33)),
    nsec: fc.constant(0),
  }),
  devmajor: fc.nat(4095),
  devminor: fc.oneof(
    { weight: 9, arbitrary: fc.nat(2 ** 20) },
    fc.constantFrom(2 ** 21, 2 ** 21 - 1),
  ),
  xattrs: fc
    .array(fc.tuple(xattr, fc.uint8Array({ maxLength: 30 })), { maxLength: 3 })
    .map((list) => new Map(list)),
})
