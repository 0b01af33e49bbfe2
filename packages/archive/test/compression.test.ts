import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { compress, decompress } from '@varve/archive'
import { collect } from '@varve/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { codeOf } from './support/tree.ts'

async function unpack(...chunks: Uint8Array[]): Promise<Buffer> {
  const { bytes } = await decompress(chunks)
  return Buffer.from(await collect(bytes, 2 ** 28))
}

/** A skippable frame of three bytes. */
const skippable = Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
const text = Buffer.from('abc'.repeat(50_000))
/** What cannot be packed; the same in every run, since random bytes may begin as some format does. */
const noise = Buffer.concat(
  Array.from({ length: 6250 }, (_, i) => createHash('sha256').update(`${i}`).digest()),
)
const packers = {
  gzip: (b: Uint8Array) => gzipSync(b),
  zstd: (b: Uint8Array) => zstdCompressSync(b),
}

describe.each(['gzip', 'zstd'] as const)('%s', (format) => {
  const pack = packers[format]

  test('is found out and unpacked, however it is cut', async () => {
    const packed = pack(noise)
    expect((await decompress([packed])).format).toBe(format)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(packed.length), { maxLength: 8 }), async (cuts) => {
        const at = [0, ...cuts, packed.length].sort((a, b) => a - b)
        const chunks = at.slice(1).map((end, i) => packed.subarray(at[i], end))
        expect((await unpack(...chunks)).equals(noise)).toBe(true)
      }),
      { numRuns: runs(30) },
    )
  })

  test('in several members or frames, byte by byte too', async () => {
    const small = Buffer.from('hello')
    const packed = Buffer.concat([pack(small), pack(text), pack(Buffer.alloc(0)), pack(small)])
    const all = Buffer.concat([small, text, small])
    expect((await unpack(packed)).equals(all)).toBe(true)
    const single = Array.from(packed.subarray(0, 200), (byte) => Uint8Array.of(byte))
    expect((await unpack(...single, packed.subarray(200))).equals(all)).toBe(true)
  })

  test('cut off anywhere is an error', async () => {
    const packed = Buffer.concat([pack(Buffer.from('first')), pack(noise)])
    for (const end of [7, 12, pack(Buffer.from('first')).length + 3, 5000, packed.length - 1]) {
      expect(await codeOf(unpack(packed.subarray(0, end))), `${end}`).toBe(
        'ERR_CORRUPT_COMPRESSION',
      )
    }
  })

  test('a changed byte in the middle is an error', async () => {
    const packed = Buffer.from(await collect(compress([text, noise], format), 2 ** 20))
    packed[packed.length >> 1] = (packed[packed.length >> 1] ?? 0) ^ 0x55
    expect(await codeOf(unpack(packed))).toBe('ERR_CORRUPT_COMPRESSION')
  })

  test('a changed byte behind much else is an error', async () => {
    const parts = [noise, Buffer.alloc(2 ** 21, text), noise, noise, noise]
    const packed = Buffer.from(await collect(compress(parts, format), 2 ** 24))
    packed[packed.length - 1000] = (packed[packed.length - 1000] ?? 0) ^ 0x55
    expect(await codeOf(unpack(packed))).toBe('ERR_CORRUPT_COMPRESSION')
  })

  test('followed by something else is an error', async () => {
    const packed = Buffer.concat([pack(text), Buffer.from('something else')])
    expect(await codeOf(unpack(packed))).toBe('ERR_CORRUPT_COMPRESSION')
  })

  test('a bomb stops at the limits', async () => {
    const bomb = pack(Buffer.alloc(64 * 2 ** 20))
    for (const limits of [{ maxBytes: 2 ** 20 }, { maxRatio: 100 }]) {
      const { bytes } = await decompress([bomb], limits)
      expect(await codeOf(collect(bytes, 2 ** 30))).toBe('ERR_LIMIT_EXCEEDED')
    }
  })

  test('a source that fails is the error, and one not read to its end is ended', async () => {
    const packed = pack(noise)
    const failing = async function* () {
      yield packed.subarray(0, 1000)
      throw new Error('the line is dead')
    }
    const { bytes } = await decompress(failing())
    await expect(collect(bytes, 2 ** 30)).rejects.toThrow('the line is dead')
    let ended = false
    const patient = async function* () {
      try {
        for (;;) yield packed
      } finally {
        ended = true
      }
    }
    const opened = await decompress(patient())
    await opened.bytes.next()
    await opened.bytes.return(undefined)
    expect(ended).toBe(true)
  })

  test('what compress packs is unpacked again, from memory that is used again', async () => {
    const parts = [noise, text, noise.subarray(5)]
    const reusing = function* () {
      const memory = Buffer.alloc(200_000)
      for (const part of parts) {
        part.copy(memory)
        yield memory.subarray(0, part.length)
        memory.fill(0xee)
      }
    }
    const packed = await collect(compress(reusing(), format, { level: 1 }), 2 ** 24)
    expect((await unpack(packed)).equals(Buffer.concat(parts))).toBe(true)
  })

  test('a level that does not exist is refused', () => {
    for (const level of [0, 23, 1.5]) {
      expect(() => compress([], format, { level })).toThrow('levels 1 to')
    }
  })
})

test('skippable zstd frames are skipped, wherever they are', async () => {
  const packed = [skippable, packers.zstd(text), skippable, packers.zstd(noise), skippable]
  const all = Buffer.concat([text, noise])
  expect((await unpack(Buffer.concat(packed))).equals(all)).toBe(true)
  expect((await unpack(...packed)).equals(all)).toBe(true)
  const single = Array.from(Buffer.concat(packed).subarray(0, 60), (byte) => Uint8Array.of(byte))
  const rest = Buffer.concat(packed).subarray(60)
  expect((await unpack(...single, rest)).equals(all)).toBe(true)
})

test('zeros may follow a gzip file, as tapes leave them', async () => {
  expect((await unpack(Buffer.concat([gzipSync(text), Buffer.alloc(512)]))).equals(text)).toBe(true)
})

test('what is not packed passes through, also if it is short or nothing', async () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from('x'), Buffer.alloc(1024), noise]) {
    const opened = await decompress([bytes])
    expect(opened.format).toBe('none')
    expect(Buffer.from(await collect(opened.bytes, 2 ** 20)).equals(bytes)).toBe(true)
  }
})

test.each([
  ['bzip2', '425a6839'],
  ['xz', 'fd377a585a00'],
  ['lz4', '04224d18'],
])('%s is not supported, and the error says so', async (name, magic) => {
  await expect(decompress([Buffer.from(magic, 'hex')])).rejects.toMatchObject({
    code: 'ERR_NOT_SUPPORTED',
    message: expect.stringContaining(name),
    hint: expect.any(String),
  })
})

test('reproducible gzip is the same everywhere: this very digest', async () => {
  const packed = await collect(compress([text], 'gzip'), 2 ** 20)
  expect(gunzipSync(packed).equals(text)).toBe(true)
  expect(createHash('sha256').update(packed).digest('hex')).toMatchInlineSnapshot(
    `"8953ba9b430a70ca7a3f14399e363162235b602fc2300d4029c92d6d008ca3d7"`,
  )
  const cut = await collect(compress([text.subarray(0, 7), text.subarray(7)], 'gzip'), 2 ** 20)
  expect(gunzipSync(cut).equals(text)).toBe(true)
})

test('fast gzip is gzip too', async () => {
  const packed = await collect(compress([text], 'gzip', { reproducible: false }), 2 ** 20)
  expect(gunzipSync(packed).equals(text)).toBe(true)
})
