import { LayerError } from '@varve/core/errors'
import { tarSplit } from '@varve/tarsplit'
import { describe, expect, test } from 'vitest'
import {
  assemble,
  disassemble,
  displaced,
  gather,
  linesOf,
  payloadsOf,
  tarOf,
  utf8,
} from './helpers.ts'

const names = (record: Uint8Array): (string | undefined)[] =>
  linesOf(record)
    .filter((line) => line.type === 1)
    .map((line) => line.name)

describe('of a name that occurs twice', () => {
  const tar = tarOf(['a', 'first'], ['b', 'other'], ['a', 'second'])

  test('only the first has an entry, and the second is a segment', async () => {
    const { record } = await disassemble(tar)
    expect(names(record)).toEqual(['a', 'b'])
  })

  test('the first, displaced, becomes a segment too', async () => {
    const { record } = await disassemble(tar)
    const files = [displaced('a', 0, utf8('first')), displaced('a', 1, utf8('second'))]
    const inlined = await gather(tarSplit().inline([record], files))
    expect(names(inlined)).toEqual(['b'])
    const back = await assemble(inlined, new Map([['b', utf8('other')]]))
    expect(Buffer.compare(back, tar)).toBe(0)
  })

  test('and has other spellings, all but the first spelling are segments already', async () => {
    const spelt = tarOf(['./a', 'first'], ['a', 'second'], ['a/.', 'third'])
    const { record } = await disassemble(spelt)
    expect(names(record)).toEqual(['./a'])
    const files = [displaced('./a', 0, utf8('first')), displaced('a', 0, utf8('second'))]
    const inlined = await gather(tarSplit().inline([record], files))
    expect(names(inlined)).toEqual([])
    expect(Buffer.compare(await assemble(inlined, new Map()), spelt)).toBe(0)
  })
})

test('without displaced files the record stays as it is', async () => {
  const tar = tarOf(['a', 'first'], ['\u00fc<>', 'other'], ['empty', ''])
  const { record } = await disassemble(tar)
  expect(Buffer.compare(await gather(tarSplit().inline([record], [])), record)).toBe(0)
})

test('a later occurrence alone changes nothing', async () => {
  const tar = tarOf(['a', 'first'], ['a', 'second'])
  const { record } = await disassemble(tar)
  const inlined = await gather(tarSplit().inline([record], [displaced('a', 1, utf8('second'))]))
  expect(Buffer.compare(inlined, record)).toBe(0)
  expect(Buffer.compare(await assemble(inlined, payloadsOf(tar)), tar)).toBe(0)
})

test('a displaced payload of several segments is split at 1 MiB', async () => {
  const big = 'x'.repeat((5 << 19) + 7)
  const tar = tarOf(['big', big])
  const { record } = await disassemble(tar)
  const inlined = await gather(tarSplit().inline([record], [displaced('big', 0, utf8(big))]))
  const sizes = linesOf(inlined).map((line) => Buffer.from(line.payload ?? '', 'base64').length)
  expect(Math.max(...sizes)).toBe(1 << 20)
  expect(Buffer.compare(await assemble(inlined, new Map()), tar)).toBe(0)
})

test.each([
  ['other content', 'fIrst'],
  ['less of it', 'firs'],
  ['more of it', 'firstt'],
])('a file set aside with %s is refused', async (_, content) => {
  const { record } = await disassemble(tarOf(['a', 'first']))
  const error = await gather(tarSplit().inline([record], [displaced('a', 0, utf8(content))])).catch(
    (e: unknown) => e,
  )
  expect(LayerError.is(error, 'ERR_CORRUPT_LAYER')).toBe(true)
})
