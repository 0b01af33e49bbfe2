/** What this codec keeps where go-winio does not, and how it bears hostile and broken input. */
import { type ByteSource, collect, LayerError } from '@varve/core'
import {
  BackupReader,
  encodeExtendedAttributes,
  encodePartHeader,
  encodeReparsePoint,
  type FileBasicInfo,
  parseReparsePoint,
  parseSecurityDescriptor,
  readTarFiles,
  SPARSE,
  STREAM,
  securityDescriptorOf,
  writeBackupToTar,
} from '@varve/driver-windows'
import { encodeHeader } from '@varve/tar'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'

const RUNS = runs(60)
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const FILE: FileBasicInfo = {
  creation: 131659872000000000n,
  lastAccess: 131659872001234567n,
  lastWrite: 131659872007654321n,
  change: 131659872009999999n,
  attributes: 0x20,
}
const DIRECTORY = { ...FILE, attributes: 0x10 }

interface Part {
  readonly id: number
  readonly payload: Uint8Array
  readonly name?: string
  readonly attributes?: number
  readonly offset?: number
}

const streamOf = (...parts: readonly Part[]): Uint8Array =>
  Buffer.concat(
    parts.flatMap(({ payload, ...part }) => [
      encodePartHeader({ ...part, size: payload.length }),
      payload,
    ]),
  )

async function partsOf(stream: ByteSource): Promise<Part[]> {
  const reader = new BackupReader(stream)
  const parts: Part[] = []
  for (let part = await reader.next(); part; part = await reader.next()) {
    const { size, ...header } = part
    parts.push({ ...header, payload: await reader.payload(1 << 20, 'it') })
  }
  return parts
}

const all = (source: AsyncIterable<Uint8Array>): Promise<Uint8Array> => collect(source, 1 << 24)

/** The stream that a file has after it was in a tar. */
async function throughTar(
  stream: Uint8Array,
  size: number,
  info: FileBasicInfo = FILE,
): Promise<Part[]> {
  const file = { name: 'Files\\f', size, info, stream: { open: () => [stream] } }
  const tar = await all(writeBackupToTar(file))
  const parts: Part[] = []
  for await (const back of readTarFiles([tar])) {
    expect([back.name, back.info]).toEqual(['Files/f', info])
    parts.push(...(await partsOf(back.stream)))
  }
  return parts
}

const plain = ({ id, name = '', payload }: Part) => [id, name, text(payload)]

describe('what go-winio loses is kept', () => {
  const ea = encodeExtendedAttributes([{ name: 'A', value: utf8('1'), flags: 0 }])
  const data = { id: STREAM.data, payload: utf8('data') }
  const security = { id: STREAM.security, payload: securityDescriptorOf('O:SYG:BA') }

  test('extended attributes and security behind the data', async () => {
    const parts = await throughTar(
      streamOf(data, { id: STREAM.extendedAttributes, payload: ea }, security),
      4,
    )
    expect(parts.map(({ id }) => id)).toEqual([3, 2, 1])
  })

  test('alternate streams before the data, of directories, of empty files, and sparse ones', async () => {
    const one = { id: STREAM.alternate, name: ':one:$DATA', payload: utf8('1') }
    const two = { id: STREAM.alternate, name: ':two:$DATA', payload: utf8('22') }
    expect((await throughTar(streamOf(one, data, two), 4)).map(plain)).toEqual([
      [1, '', 'data'],
      [4, ':one:$DATA', '1'],
      [4, ':two:$DATA', '22'],
    ])
    expect((await throughTar(streamOf(one), 0, DIRECTORY)).map(plain)).toEqual([
      [4, ':one:$DATA', '1'],
    ])
    expect((await throughTar(streamOf(one), 0)).map(plain)).toEqual([
      [1, '', ''],
      [4, ':one:$DATA', '1'],
    ])
    const sparse = [
      { ...one, payload: utf8(''), attributes: SPARSE },
      { id: STREAM.sparseBlock, offset: 3, payload: utf8('x') },
      { id: STREAM.sparseBlock, offset: 5, payload: utf8('') },
    ]
    expect((await throughTar(streamOf(data, ...sparse, two), 4)).map(plain)).toEqual([
      [1, '', 'data'],
      [4, ':one:$DATA', '\0\0\0x\0'],
      [4, ':two:$DATA', '22'],
    ])
  })

  test('a sparse file from a source that can be read twice', async () => {
    const sparse = streamOf(
      { id: STREAM.data, payload: utf8(''), attributes: SPARSE },
      { id: STREAM.sparseBlock, offset: 2, payload: utf8('ab') },
      { id: STREAM.sparseBlock, offset: 6, payload: utf8('') },
      { id: STREAM.alternate, name: ':s:$DATA', payload: utf8('s') },
    )
    expect((await throughTar(sparse, 6)).map(plain)).toEqual([
      [1, '', '\0\0ab\0\0'],
      [4, ':s:$DATA', 's'],
    ])
  })

  test('the target of a link that shows none', async () => {
    const point = encodeReparsePoint({ target: 'C:\\x', isMountPoint: false })
    new DataView(point.buffer).setUint16(14, 0, true)
    expect(parseReparsePoint(point, true).target).toBe('C:\\x')
    expect(parseReparsePoint(point, false).target).toBe('')
  })

  test('or, from a source that is read once, it is refused and never lost', async () => {
    for (const late of [{ id: STREAM.extendedAttributes, payload: ea }, security]) {
      const file = { name: 'f', size: 4, info: FILE, stream: [streamOf(data, late)] }
      await expect(all(writeBackupToTar(file))).rejects.toMatchObject({
        code: 'ERR_NOT_SUPPORTED',
        hint: 'Give a stream that can be opened twice',
      })
    }
  })
})

test('a sparse file of a tar becomes sparse blocks', async () => {
  const map = utf8('2\n1\n2\n5\n1\n')
  const body = Buffer.concat([map, new Uint8Array(512 - map.length), utf8('abz')])
  const header = encodeHeader({
    type: 'file',
    name: utf8('Files/s'),
    mode: 0,
    uid: 0,
    gid: 0,
    mtime: { sec: 0, nsec: 0 },
    size: body.length,
    records: new Map([
      ['GNU.sparse.major', utf8('1')],
      ['GNU.sparse.minor', utf8('0')],
      ['GNU.sparse.realsize', utf8('9')],
      ['GNU.sparse.name', utf8('Files/s')],
    ]),
  })
  const tar = Buffer.concat([header, body, new Uint8Array(509 + 1024)])
  for await (const { stream, size } of readTarFiles([tar])) {
    expect(size).toBe(9)
    expect(
      (await partsOf(stream)).map(({ id, offset, payload }) => [id, offset, text(payload)]),
    ).toEqual([
      [1, 0, ''],
      [9, 1, 'ab'],
      [9, 5, 'z'],
      [9, 9, ''],
    ])
  }
})

test('with strict times, no time is no time', async () => {
  const none = { creation: 0n, lastAccess: 0n, lastWrite: 116444736000000000n, change: 0n }
  const file = { name: 'f', size: 0, info: { ...none, attributes: 0x20 }, stream: [] }
  const tar = await all(writeBackupToTar(file, { strictTimes: true }))
  expect(text(tar)).not.toContain('atime')
  for await (const { info } of readTarFiles([tar], { strictTimes: true })) {
    expect([info.lastAccess, info.change]).toEqual([0n, 0n])
  }
})

describe('any stream', () => {
  const bytes = fc.uint8Array({ maxLength: 40 })
  const name = fc.stringMatching(/^[a-zA-Z0-9 é日😀.]{1,8}$/u)
  const stream = fc.record({
    security: fc.option(bytes, { nil: undefined }),
    attributes: fc.uniqueArray(
      fc.record({ name: fc.stringMatching(/^[A-Z.\xe9]{1,9}$/), value: bytes }),
      {
        selector: (attribute) => attribute.name,
        maxLength: 3,
      },
    ),
    data: bytes,
    alternates: fc.uniqueArray(fc.record({ name, payload: bytes }), {
      selector: (alternate) => alternate.name,
      maxLength: 3,
    }),
  })
  const build = ({
    security,
    attributes,
    data,
    alternates,
  }: typeof stream extends fc.Arbitrary<infer T> ? T : never) => {
    const sorted = [...attributes].sort((a, b) => (a.name < b.name ? -1 : 1))
    const ea = encodeExtendedAttributes(sorted.map((one) => ({ ...one, flags: 0 })))
    return streamOf(
      ...(security ? [{ id: STREAM.security, payload: security }] : []),
      ...(sorted.length > 0 ? [{ id: STREAM.extendedAttributes, payload: ea }] : []),
      { id: STREAM.data, payload: data },
      ...alternates.map((one) => ({
        id: STREAM.alternate,
        name: `:${one.name}:$DATA`,
        payload: one.payload,
      })),
    )
  }

  test('comes back out of a tar byte for byte, however it is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(stream, fc.integer({ min: 1, max: 600 }), async (parts, length) => {
        const bytes = build(parts)
        const chunks = (whole: Uint8Array) =>
          Array.from({ length: Math.ceil(whole.length / length) }, (_, i) =>
            whole.subarray(i * length, (i + 1) * length),
          )
        for (const source of [chunks(bytes), { open: () => chunks(bytes) }]) {
          const size = parts.data.length
          const file = { name: 'Files\\f', size, info: FILE, stream: source }
          const tar = await all(writeBackupToTar(file))
          for await (const back of readTarFiles(chunks(tar))) {
            expect(Buffer.from(await all(back.stream))).toEqual(Buffer.from(bytes))
          }
        }
      }),
      { numRuns: RUNS },
    )
  })

  test('and its tar, cut at every byte, is refused and never taken for whole', async () => {
    const bytes = streamOf(
      { id: STREAM.security, payload: utf8('security') },
      { id: STREAM.data, payload: utf8('the data of the file') },
      { id: STREAM.alternate, name: ':s:$DATA', payload: utf8('stream') },
    )
    for (let cut = 1; cut < bytes.length; cut++) {
      const part = bytes.subarray(0, cut)
      for (const stream of [[part], { open: () => [part] }]) {
        const written = all(writeBackupToTar({ name: 'f', size: 20, info: FILE, stream }))
        const boundary = cut === bytes.length - 6 - 20 - 16
        if (boundary) await written
        else await expect(written, `cut at ${cut}`).rejects.toBeInstanceOf(LayerError)
      }
    }
  })

  test('of random bytes is read to an end or refused, with little memory', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (junk) => {
        try {
          await partsOf([junk])
        } catch (error) {
          expect(LayerError.is(error)).toBe(true)
        }
      }),
      { numRuns: RUNS },
    )
  })

  test('with sizes beyond all reason allocates nothing for them', async () => {
    const header = encodePartHeader({ id: STREAM.security, size: Number.MAX_SAFE_INTEGER })
    const file = { name: 'f', size: 0, info: FILE, stream: [header] }
    await expect(all(writeBackupToTar(file))).rejects.toMatchObject({ code: 'ERR_LIMIT_EXCEEDED' })
    const huge = encodePartHeader({ id: STREAM.data, size: 0 })
    new DataView(huge.buffer).setBigUint64(8, 2n ** 64n - 1n, true)
    await expect(partsOf([huge])).rejects.toMatchObject({ code: 'ERR_CORRUPT_LAYER' })
    const named = encodePartHeader({ id: STREAM.alternate, size: 0 })
    new DataView(named.buffer).setUint32(16, 0xfffffffe, true)
    await expect(partsOf([named])).rejects.toMatchObject({ code: 'ERR_CORRUPT_LAYER' })
    const hole = streamOf(
      { id: STREAM.data, payload: utf8(''), attributes: SPARSE },
      { id: STREAM.sparseBlock, offset: 2 ** 52, payload: utf8('') },
    )
    for (const stream of [[hole], { open: () => [hole] }]) {
      const written = all(writeBackupToTar({ name: 'f', size: 10, info: FILE, stream }))
      await expect(written).rejects.toMatchObject({ code: 'ERR_CORRUPT_LAYER' })
    }
  })
})

test('a tar whose names are not UTF-8 is refused', async () => {
  const name = Uint8Array.of(0x46, 0xff)
  const tar = encodeHeader({
    type: 'file',
    name,
    mode: 0,
    uid: 0,
    gid: 0,
    mtime: { sec: 0, nsec: 0 },
  })
  const read = async () => {
    for await (const _ of readTarFiles([tar]));
  }
  await expect(read()).rejects.toMatchObject({ code: 'ERR_INVALID_TAR' })
})

describe('security', () => {
  test('as text becomes the descriptor that says the same', () => {
    const sddl =
      'O:SYG:S-1-5-21-1-2-3-1001D:PAI(A;OICI;FA;;;SY)(D;;0x1200a9;;;BU)S:AI(AU;SAFA;GA;;;WD)'
    const { owner, group, dacl, sacl, control } = parseSecurityDescriptor(
      securityDescriptorOf(sddl),
    )
    expect([owner, group]).toEqual(['S-1-5-18', 'S-1-5-21-1-2-3-1001'])
    expect(dacl).toEqual([
      { type: 0, flags: 3, rights: 0x1f01ff, sid: 'S-1-5-18' },
      { type: 1, flags: 0, rights: 0x1200a9, sid: 'S-1-5-32-545' },
    ])
    expect(sacl).toEqual([{ type: 2, flags: 0xc0, rights: 0x10000000, sid: 'S-1-1-0' }])
    expect(control).toBe(0x8000 | 0x1000 | 0x400 | 0x4 | 0x800 | 0x10)
  })

  test('of users that only their own machine knows is refused, and what is no SDDL', () => {
    expect(() => securityDescriptorOf('O:LA')).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_SUPPORTED' }),
    )
    for (const bad of ['', 'hello', 'D:(A;;FA)', 'D:X(A;;FA;;;SY)', 'D:(A;;QQ;;;SY)']) {
      expect(() => securityDescriptorOf(bad), bad).toThrow(LayerError)
    }
  })

  test('cut at every byte is refused', () => {
    const whole = securityDescriptorOf('O:SYG:BAD:(A;;FA;;;SY)')
    for (let cut = 0; cut < whole.length; cut++) {
      expect(() => parseSecurityDescriptor(whole.subarray(0, cut)), `${cut}`).toThrow(LayerError)
    }
  })
})
