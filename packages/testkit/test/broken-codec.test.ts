import { expect, test } from 'vitest'
import { brokenCodec, codecFaults, codecSuite, collectCases, memoryCodec } from '../src/index.ts'

/** Fault → the case that must notice it. */
const CAUGHT_BY: Readonly<Record<string, string>> = {
  'stops at the end of the archive': 'twenty zero blocks',
  'passes other bytes on than it takes': 'any bytes',
  'ends cleanly when a payload is bad': 'a payload that has changed',
  'does not wait for its sink': 'a sink that is slow',
  'puts no displaced payloads into the record': 'displaced payloads',
  'mixes up payloads of one name': 'displaced payloads',
  'ends a bad record cleanly': 'no record at all',
  'throws errors without codes': 'a payload that has changed',
  'puts payloads into the record': 'payloads are not',
}

test('every fault has a case that must notice it', () => {
  expect(Object.keys(CAUGHT_BY).sort()).toEqual([...codecFaults].sort())
})

test.each(codecFaults)('the codec suite notices a codec that %s', async (fault) => {
  const run = async (broken: boolean) => {
    const cases = collectCases()
    const factory = () => (broken ? brokenCodec(fault, memoryCodec()) : memoryCodec())
    codecSuite({ test: cases.test, factory })
    return await cases.run(CAUGHT_BY[fault])
  }
  const sound = await run(false)
  expect(sound.length).toBeGreaterThan(0)
  expect(sound.filter(({ error }) => error !== undefined)).toEqual([])
  expect((await run(true)).some(({ error }) => error !== undefined)).toBe(true)
})
