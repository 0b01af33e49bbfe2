import { tarSplit } from '@varve/tarsplit'
import { describe, expect, test } from 'vitest'
import { assemble, disassemble, gather, linesOf, payloadsOf, tarOf, utf8 } from './helpers.ts'

const files = (record: Uint8Array): (string | undefined)[] =>
  linesOf(record).flatMap((line) => (line.type === 1 ? [line.name] : []))

describe('payloads that no layer holds are kept in the record', () => {
  test.each([['.wh.gone'], ['dir/.wh.gone'], ['.wh..wh.plnk/1.2'], ['a/.wh..wh.aufs']])(
    '%s',
    async (name) => {
      const tar = tarOf(['kept', 'content'], [name, 'content'])
      const { record } = await disassemble(tar)
      expect(files(record)).toEqual(['kept'])
      expect(Buffer.compare(await assemble(record, payloadsOf(tar)), tar)).toBe(0)
    },
  )

  test('but an empty whiteout, or a name that only resembles one, has its entry', async () => {
    const { record } = await disassemble(
      tarOf(['.wh.gone', ''], ['x.wh.y', 'content'], ['.whale', 'c']),
    )
    expect(files(record)).toEqual(['.wh.gone', 'x.wh.y', '.whale'])
  })
})

describe('a tar that ends inside a payload', () => {
  test('keeps a short part in the record', async () => {
    const tar = tarOf(['a', 'first'], ['b', 'x'.repeat(3000)]).subarray(0, 1024 + 512 + 2000)
    const { record } = await disassemble(tar, [700])
    expect(files(record)).toEqual(['a'])
    expect(Buffer.compare(await assemble(record, payloadsOf(tar)), tar)).toBe(0)
  })

  test('describes a part of more than 1 MiB as a file of its length', async () => {
    const tar = tarOf(['b', 'x'.repeat(3 << 20)]).subarray(0, 512 + (2 << 20))
    const { record } = await disassemble(tar)
    expect(linesOf(record).at(-1)).toMatchObject({ type: 1, name: 'b', size: 2 << 20 })
    const part = new Map([['b', tar.subarray(512)]])
    expect(Buffer.compare(await assemble(record, part), tar)).toBe(0)
  })
})

test('a reader that is slow is waited for', async () => {
  let writing = 0
  const sink = {
    async write() {
      expect(++writing).toBe(1)
      await new Promise((resolve) => setTimeout(resolve))
      writing--
    },
  }
  const junk = new Uint8Array(300_000)
  expect((await gather(tarSplit().disassemble([junk, junk], sink))).length).toBe(600_000)
})

test('an error of the sink, and of the source, is passed on', async () => {
  const broken = {
    write(): undefined {
      throw new Error('sink')
    },
  }
  await expect(gather(tarSplit().disassemble([utf8('x')], broken))).rejects.toThrow('sink')
  function* source(): Generator<Uint8Array> {
    yield utf8('x')
    throw new Error('source')
  }
  const sink = { write: () => undefined }
  await expect(gather(tarSplit().disassemble(source(), sink))).rejects.toThrow('source')
})

test('an aborted call fails with ERR_ABORTED, both ways', async () => {
  const aborter = new AbortController()
  const options = { signal: aborter.signal }
  const sink = { write: () => undefined }
  const tar = tarOf(['a', 'first'])
  const { record } = await disassemble(tar)
  aborter.abort()
  const getter = { open: () => [utf8('first')], [Symbol.asyncDispose]: async () => {} }
  const calls = [
    tarSplit().disassemble([tar], sink, options),
    tarSplit().assemble([record], getter, options),
  ]
  for (const call of calls)
    await expect(gather(call)).rejects.toMatchObject({ code: 'ERR_ABORTED' })
})

test('small files come out in chunks of 64 KiB and more', async () => {
  const many = Array.from({ length: 300 }, (_, i) => [`f${i}`, 'content'] as const)
  const tar = tarOf(...many)
  const { record } = await disassemble(tar)
  const payloads = payloadsOf(tar)
  const getter = {
    open: (name: Uint8Array) => [payloads.get(new TextDecoder().decode(name)) ?? new Uint8Array(0)],
    [Symbol.asyncDispose]: async () => {},
  }
  const sizes: number[] = []
  for await (const chunk of tarSplit().assemble([record], getter)) sizes.push(chunk.length)
  expect(sizes.length).toBeGreaterThan(1)
  for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThanOrEqual(1 << 16)
})
