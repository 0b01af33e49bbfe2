import { describe, expect, test } from 'vitest'
import { collect, LayerError, toStream } from '../src/index.ts'
import { KeyedMutex } from '../src/layer-store/keyed-mutex.ts'

const bytes = (...n: number[]) => Uint8Array.from(n)

describe('toStream', () => {
  test('passes on every chunk, and an error at the end', async () => {
    async function* source() {
      yield bytes(1, 2)
      yield bytes(3)
      throw new LayerError('ERR_CORRUPT_LAYER', 'no more')
    }
    const got: number[] = []
    await expect(async () => {
      for await (const chunk of toStream(source())) got.push(...chunk)
    }).rejects.toMatchObject({ code: 'ERR_CORRUPT_LAYER' })
    expect(got).toEqual([1, 2, 3])
  })

  test('reads nothing before it is read, and ends the source when cancelled', async () => {
    let started = false
    let ended = false
    async function* source() {
      started = true
      try {
        for (;;) yield bytes(0)
      } finally {
        ended = true
      }
    }
    const stream = toStream(source())
    expect(started).toBe(false)
    for await (const _ of stream) break
    expect(ended).toBe(true)
  })
})

describe('collect', () => {
  test('joins chunks and refuses more than the limit', async () => {
    expect(await collect([bytes(1), bytes(2, 3)], 3)).toEqual(bytes(1, 2, 3))
    await expect(collect([bytes(1), bytes(2, 3)], 2)).rejects.toMatchObject({
      code: 'ERR_LIMIT_EXCEEDED',
    })
  })
})

describe('KeyedMutex', () => {
  test('runs one call at a time for a key, in order, also after a failure', async () => {
    const mutex = new KeyedMutex()
    const events: string[] = []
    const step = (key: string, name: string, fail = false) =>
      mutex.run(key, async () => {
        events.push(`+${name}`)
        await new Promise((resolve) => setTimeout(resolve, 1))
        events.push(`-${name}`)
        if (fail) throw new Error(name)
      })
    const a = step('k', 'a', true)
    const b = step('k', 'b')
    const other = step('other', 'c')
    await expect(a).rejects.toThrow('a')
    await Promise.all([b, other])
    expect(events.filter((e) => !e.endsWith('c'))).toEqual(['+a', '-a', '+b', '-b'])
    expect(events.indexOf('+c')).toBeLessThan(events.indexOf('-a'))
  })
})
