import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { byteSoup, sampleArchive } from './archives.ts'
import { assemble, disassemble, linesOf, payloadsOf } from './helpers.ts'

const lengths = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 5 })
const anything = fc.oneof(
  { weight: 5, arbitrary: byteSoup },
  { weight: 3, arbitrary: sampleArchive },
  fc.uint8Array({ maxLength: 2000 }),
)

describe('any bytes whatever', () => {
  test('come back as they were, however tar and record are cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(anything, lengths, lengths, async (tar, tarCuts, recordCuts) => {
        const { record, passed } = await disassemble(tar, tarCuts)
        expect(Buffer.compare(passed, tar)).toBe(0)
        const back = await assemble(record, payloadsOf(tar), recordCuts)
        expect(Buffer.compare(back, tar)).toBe(0)
      }),
      { numRuns: runs(1500) },
    )
  })

  test('have one record, however they are cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(anything, lengths, lengths, async (tar, some, others) => {
        const a = await disassemble(tar, some)
        const b = await disassemble(tar, others)
        expect(Buffer.compare(a.record, b.record)).toBe(0)
      }),
      { numRuns: runs(500) },
    )
  })

  test('have a record of numbered lines, segments of 1 MiB at most, and no name twice', async () => {
    await fc.assert(
      fc.asyncProperty(anything, async (tar) => {
        const { record } = await disassemble(tar)
        const names = new Set<string>()
        for (const line of linesOf(record)) {
          if (line.type === 2) {
            expect(Buffer.from(line.payload ?? '', 'base64').length).toBeLessThanOrEqual(1 << 20)
            continue
          }
          const raw = line.name_raw ? Buffer.from(line.name_raw, 'base64').toString('latin1') : ''
          const name = raw || Buffer.from(line.name ?? '').toString('latin1')
          expect(names).not.toContain(name)
          names.add(name)
        }
      }),
      { numRuns: runs(500) },
    )
  })
})
