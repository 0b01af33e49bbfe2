import { LayerError } from '@varve/core/errors'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { assemble, binary, disassemble, payloadsOf, tarOf, utf8 } from './helpers.ts'

const files = new Map([['f', utf8('hello world\n')]])
/** CRC-64/GO-ISO of that, as Go's `hash/crc64` has it. */
const SUM = 'ROnPP1cq2aw='
const NO_SUM = 'AAAAAAAAAAA='

const base64 = (text: string): string => Buffer.from(text).toString('base64')

async function read(record: string, lengths?: readonly number[]): Promise<string> {
  return binary(await assemble(utf8(record), files, lengths))
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (LayerError.is(error) ? error.code : String(error)),
  )
}

describe('a record is read', () => {
  const entry = `{"type":1,"name":"f","size":12,"payload":"${SUM}","position":0}\n`
  const padding = `{"type":2,"payload":"${base64('pad')}","position":1}\n`
  const expected = 'hello world\npad'

  test.each([
    ['as Go writes it', entry + padding],
    ['without newlines between entries', (entry + padding).replaceAll('\n', '')],
    ['with space everywhere', (entry + padding).replace(/([{}:,])/g, ' $1\r\n\t ')],
    ['without positions', (entry + padding).replace(/,"position":\d/g, '')],
    ['without a newline at its end', (entry + padding).trimEnd()],
    ['with keys in any case', entry.replace('name', 'Name').replace('size', 'SIZE') + padding],
    ['with further keys', (entry + padding).replaceAll('{', '{"x":[{"}":"]"},null],"y":1.5e3,')],
    ['with keys in another order', `{"payload":"${SUM}","size":12,"name":"f","type":1}${padding}`],
    ['with a segment before its type', `${entry}{"payload":"${base64('pad')}","type":2}`],
    ['with line ends in base64', entry + padding.replace(base64('pad'), 'cG\\nF\\r\\u000ak')],
    ['with an empty segment', `${entry}{"type":2,"payload":""}${padding}`],
    [
      'with both names, of which the raw one counts',
      entry.replace('"f"', '"x","name_raw":"Zg=="') + padding,
    ],
    ['with an escaped name', entry.replace('"f"', '"\\u0066"') + padding],
    ['with null for what is absent', entry.replace('"f"', '"f","name_raw":null') + padding],
  ])('%s', async (_, record) => {
    expect(await read(record)).toBe(expected)
    expect(await read(record, [1])).toBe(expected)
    expect(await read(record, [3, 50, 7])).toBe(expected)
  })

  test('with any bytes in a segment, however it is cut', async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), lengths, async (bytes, cuts) => {
        const text = Buffer.from(bytes).toString('base64').replaceAll('/', '\\/')
        expect(await read(`{"type":2,"payload":"${text}"}`, cuts)).toBe(binary(bytes))
      }),
    )
  })

  test('with the name of a file in UTF-8', async () => {
    const name = 'e\u00e9'
    const record = `{"type":1,"name":"${name}","size":12,"payload":"${SUM}"}`
    const payloads = new Map([[binary(utf8(name)), utf8('hello world\n')]])
    expect(binary(await assemble(utf8(record), payloads))).toBe('hello world\n')
  })
})

describe('a damaged record is refused', () => {
  const entry = `{"type":1,"name":"f","size":12,"payload":"${SUM}","position":0}\n`

  test.each([
    ['cut short', entry.slice(0, -3)],
    ['cut short inside a segment', '{"type":2,"payload":"AAAA'],
    ['with unpadded base64', '{"type":2,"payload":"QQ"}'],
    ['with half the padding', '{"type":2,"payload":"QQ="}'],
    ['with text after the padding', '{"type":2,"payload":"QQ==QQ=="}'],
    ['with something else than base64', '{"type":2,"payload":"Q*=="}'],
    ['with a size that is no integer', entry.replace('12', '12.0')],
    ['with a size of more than 64 bits', entry.replace('12', '12345678901234567890')],
    ['with an unknown type', entry.replace('"type":1', '"type":3')],
    ['with a name on a segment', entry.replace('"type":1', '"type":2')],
    ['without a type', entry.replace('"type":1,', '')],
    ['without a payload', `{"type":2,"position":0}`],
    ['with a checksum of another length', entry.replace(SUM, 'RA==')],
    ['with a size and no checksum', entry.replace(`"${SUM}"`, 'null')],
    ['with a negative size and a checksum', entry.replace('12', '-12')],
    ['with two payloads', '{"type":2,"payload":"QQ==","payload":"QQ=="}'],
    ['with a raw newline in a name', entry.replace('"f"', '"f\n"')],
    ['with a bad escape', entry.replace('"f"', '"\\x"')],
    ['that is no JSON', 'record'],
    ['that is an array', '[]'],
    ['with a comma too many', '{,"type":2,"payload":""}'],
    ['with a name that is no string', entry.replace('"f"', '7')],
    ['with a key that is no string', '{type:2}'],
    ['with junk in a further key', entry.replace('{', '{"x":flase,')],
  ])('%s', async (_, record) => {
    expect(await codeOf(read(record))).toBe('ERR_CORRUPT_RECORD')
    expect(await codeOf(read(record, [1]))).toBe('ERR_CORRUPT_RECORD')
  })

  test('with an entry that never ends, before it fills the memory', async () => {
    const endless = `{"type":1,"name":"${'x'.repeat(9 << 20)}`
    expect(await codeOf(read(endless, [1 << 16]))).toBe('ERR_CORRUPT_RECORD')
  })

  test('with any one byte changed outside of segments: an error, or the same tar', async () => {
    const tar = tarOf(['a', 'first'], ['b/c', 'second'], ['d', 'x'.repeat(600)])
    const { record } = await disassemble(tar)
    const payloads = payloadsOf(tar)
    const text = binary(record)
    const isPayload = (at: number): boolean => /[A-Za-z0-9+/=]{100}/.test(around(text, at))
    const places = [...record.keys()].filter((at) => !isPayload(at))
    expect(places.length).toBeGreaterThan(300)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...places),
        fc.integer({ min: 1, max: 255 }),
        async (at, by) => {
          const damaged = record.slice()
          damaged[at] = (damaged[at] as number) ^ by
          const out = await assemble(damaged, payloads).catch((error: unknown) => error)
          if (out instanceof Uint8Array) expect(Buffer.compare(out, tar)).toBe(0)
          else expect(LayerError.is(out)).toBe(true)
        },
      ),
      { numRuns: runs(300) },
    )
  })
})

/** The run of base64 digits that the character at `at` belongs to. */
function around(text: string, at: number): string {
  const before = /[A-Za-z0-9+/=]*$/.exec(text.slice(0, at))?.[0] ?? ''
  return before + (/^[A-Za-z0-9+/=]*/.exec(text.slice(at))?.[0] ?? '')
}

describe('a payload that is not what it was is refused by name', () => {
  const tar = tarOf(['etc/motd', 'welcome'])

  test.each([
    ['with other content', 'wElcome'],
    ['shorter', 'welcom'],
    ['longer', 'welcome!'],
    ['empty', ''],
  ])('%s', async (_, content) => {
    const { tarSplit } = await import('@varve/tarsplit')
    const { record } = await disassemble(tar)
    const lax = { open: () => [utf8(content)], [Symbol.asyncDispose]: async () => {} }
    const read = async (): Promise<void> => {
      for await (const _ of tarSplit().assemble([record], lax));
    }
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_CORRUPT_LAYER',
      message: expect.stringContaining('etc/motd'),
      data: { name: 'etc/motd' },
    })
  })

  test('missing', async () => {
    const { record } = await disassemble(tar)
    expect(await codeOf(assemble(record, new Map()))).toBe('ERR_CORRUPT_LAYER')
  })
})

describe('what holds no payload is never opened', () => {
  const header = (typeflag: string): string => {
    const block = new Uint8Array(512)
    block[156] = typeflag.charCodeAt(0)
    return Buffer.from(block).toString('base64')
  }

  test.each(['1', '2', '3', '4', '5', '6'])('typeflag %s with a size', async (typeflag) => {
    const record = `{"type":2,"payload":"${header(typeflag)}"}
      {"type":1,"name":"nowhere","size":9223372036854775807,"payload":"${NO_SUM}"}`
    expect((await read(record)).length).toBe(512)
  })

  test('but a file whose checksum happens to be 0 is', async () => {
    const record = `{"type":2,"payload":"${header('0')}"}
      {"type":1,"name":"nowhere","size":12,"payload":"${NO_SUM}"}`
    expect(await codeOf(read(record))).toBe('ERR_CORRUPT_LAYER')
  })
})
