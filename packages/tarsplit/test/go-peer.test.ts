import { afterAll, describe, expect, test } from 'vitest'
import { byteSoups, sampleArchives } from './archives.ts'
import { goPeer } from './go-peer.ts'
import {
  assemble,
  binary,
  disassemble,
  fixture,
  goldens,
  joined,
  type Line,
  linesOf,
  payloadsOf,
  utf8,
} from './helpers.ts'

const peer = goPeer()
afterAll(() => peer?.[Symbol.dispose]())

const inputs: readonly Uint8Array[] = [
  ...goldens.map(({ name }) => fixture(`${name}.tar`)),
  ...byteSoups(400),
  ...sampleArchives(400),
]

describe.skipIf(!peer)("with Go's tar-split (needs go and its module proxy)", () => {
  test('Go puts every tar together again from our record', async () => {
    const messages = []
    for (const tar of inputs) {
      const { record } = await disassemble(tar)
      const payloads = [...payloadsOf(tar)]
      const files = payloads.flatMap(([name, bytes]) => [Buffer.from(name, 'latin1'), bytes])
      messages.push([utf8('assemble'), record, ...files])
    }
    const answers = peer?.ask(messages) ?? []
    expect(answers).toHaveLength(inputs.length)
    for (const [i, [error, tar]] of answers.entries()) {
      expect(binary(error as Uint8Array)).toBe('')
      expect(Buffer.compare(tar as Uint8Array, inputs[i] as Uint8Array)).toBe(0)
    }
  })

  test('Go is never made to open what holds no payload', async () => {
    const messages = []
    const regular: Set<string>[] = []
    for (const tar of inputs) {
      const { record } = await disassemble(tar)
      const payloads = payloadsOf(tar)
      regular.push(new Set(payloads.keys()))
      const files = [...payloads].flatMap(([name, bytes]) => [Buffer.from(name, 'latin1'), bytes])
      messages.push([utf8('assemble'), record, ...files])
    }
    for (const [i, [, , ...opened]] of (peer?.ask(messages) ?? []).entries()) {
      for (const name of opened) expect(regular[i]).toContain(binary(name))
    }
  })

  test("our record is Go's wherever Go can put the tar together itself", async () => {
    const answers = peer?.ask(inputs.map((tar) => [utf8('disassemble'), tar])) ?? []
    let compared = 0
    for (const [i, [error, record]] of answers.entries()) {
      if (!record || error?.length) continue
      const tar = inputs[i] as Uint8Array
      const theirs = linesOf(record)
      if (theirs.some(isOddity) || isMangled(theirs, tar)) continue
      const ours = await disassemble(tar)
      expect(joined(linesOf(ours.record))).toEqual(joined(theirs))
      expect(Buffer.compare(await assemble(record, payloadsOf(tar)), tar)).toBe(0)
      compared++
    }
    expect(compared).toBeGreaterThan(300)
  })
})

/** Phantom sizes and bodies of whiteouts, which we record in another way. */
function isOddity(line: Line): boolean {
  return line.payload === 'AAAAAAAAAAA=' || (line.size !== undefined && isWhiteout(line))
}

function isWhiteout({ name, name_raw }: Line): boolean {
  return (name ?? Buffer.from(name_raw ?? '', 'base64').toString('latin1')).includes('.wh.')
}

/** Whether Go's record describes a tar of another length: sparse files, padding cut short. */
function isMangled(lines: readonly Line[], tar: Uint8Array): boolean {
  let length = 0
  for (const line of lines) {
    length += line.type === 1 ? (line.size ?? 0) : Buffer.from(line.payload ?? '', 'base64').length
  }
  return length !== tar.length
}
