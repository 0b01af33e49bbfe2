import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  assemble,
  disassemble,
  fixture,
  goldens,
  joined,
  type Line,
  linesOf,
  payloadsOf,
} from './helpers.ts'

/**
 * A link, directory or device that claims a size: we write 0, so that nobody opens it.
 * (`AAAAAAAAAAA=` is the checksum of nothing.)
 */
const withoutPhantom = (line: Line): Line => {
  if (line.payload !== 'AAAAAAAAAAA=') return line
  const { size, ...rest } = line
  return { ...rest, payload: null }
}

/** The body of a whiteout or of AUFS metadata is in no layer: we keep it in the record. */
const withoutWhiteoutBody = (line: Line): Line => {
  if (!line.size || !line.name?.includes('.wh.')) return line
  return { type: 2, payload: Buffer.from('hello world\n').toString('base64') }
}

/** Where our record differs from Go's on purpose, and how. */
const DEVIATIONS: Readonly<Record<string, (line: Line) => Line>> = {
  '02-whiteouts': withoutWhiteoutBody,
  '05-pax-size-link': withoutPhantom,
  '06-huge-dir': withoutPhantom,
  '07-char-size': withoutPhantom,
  '07-dir-size-nodata': withoutPhantom,
  '07-hardlink-size-nodata': withoutPhantom,
  '07-symlink-size': withoutPhantom,
  '07-v7-dir-size': withoutPhantom,
}

describe('every tar comes back byte for byte, however it is cut into chunks', () => {
  test.each(goldens)('$name ($why)', async ({ name }) => {
    const tar = fixture(`${name}.tar`)
    const payloads = payloadsOf(tar)
    const whole = await disassemble(tar, [tar.length])
    expect(Buffer.compare(whole.passed, tar)).toBe(0)
    expect(Buffer.compare(await assemble(whole.record, payloads), tar)).toBe(0)
    for (const lengths of [[511], [1, 512, 7], [4096, 3]]) {
      const cut = await disassemble(tar, lengths)
      expect(Buffer.compare(cut.passed, tar)).toBe(0)
      expect(Buffer.compare(cut.record, whole.record)).toBe(0)
      expect(Buffer.compare(await assemble(cut.record, payloads, lengths), tar)).toBe(0)
    }
  })
})

const acceptedByGo = goldens.filter(({ go }) => go === 'ok')

describe('the record is the one that Go makes', () => {
  test.each(acceptedByGo)('$name ($why)', async ({ name }) => {
    const tar = fixture(`${name}.tar`)
    const { record } = await disassemble(tar)
    const theirs = linesOf(fixture(`${name}.jsonl`))
    const deviation = DEVIATIONS[name]
    if (deviation) expect(theirs.map(deviation)).not.toEqual(theirs)
    expect(joined(linesOf(record))).toEqual(joined(deviation ? theirs.map(deviation) : theirs))
  })
})

describe("the tar comes back from Go's record", () => {
  test.each(acceptedByGo)('$name ($why)', async ({ name }) => {
    const tar = fixture(`${name}.tar`)
    const payloads = payloadsOf(tar)
    for (const file of [`${name}.jsonl`, `${name}.v0112.jsonl`]) {
      if (!existsSync(new URL(`golden/${file}`, import.meta.url))) continue
      expect(Buffer.compare(await assemble(fixture(file), payloads), tar)).toBe(0)
    }
  })
})

test('the record of a negative size on a directory, which Go cannot read back, is read', async () => {
  const tar = fixture('06-neg-size-dir.tar')
  const out = await assemble(fixture('06-neg-size-dir.jsonl'), payloadsOf(tar))
  expect(Buffer.compare(out, tar)).toBe(0)
})
