import { expect, test } from 'vitest'
import {
  brokenMetadata,
  collectCases,
  memoryMetadataBed,
  metadataFaults,
  metadataSuite,
} from '../src/index.ts'

/** Fault → the case that must notice it. */
const CAUGHT_BY: Readonly<Record<string, string>> = {
  'publishes when it stages': 'invisible before publish',
  'says that it published what was there already': 'of two changes',
  'does not undo what is left': 'invisible before publish',
  'loses a part of a record': 'many chunks',
  'does not rewrite a record': 'can be rewritten',
  'loses parents': 'read back as it was staged',
  'loses init layers': 'read-write layers are published',
  'takes every layer for safe': 'only layers published',
  'retires one by one': 'cannot be retired',
  'cannot undo a removal': 'that is undone',
  'never changes its revision': 'the revision differs',
  'changes its revision whenever it is asked': 'the revision differs',
  'does not lock': 'keeps everybody else out',
  'ignores an abort of the lock': 'can be aborted',
  'keeps the lock after a failure': 'free again',
  'takes its own holds for those of others': 'a hold is seen',
  'sees no holds of others': 'a hold is seen',
  'forgets what the dead had begun': 'what a killed process had begun',
  'takes the living for dead': 'intents of the living',
  'hides damage': 'is told as damaged',
  'takes a damaged layer for none': 'is told as damaged',
  'sets nothing aside': 'set aside, and is then unknown',
  'verifies nothing after a restart': 'after the machine restarted',
}

test('every fault has a case that must notice it', () => {
  expect(Object.keys(CAUGHT_BY).sort()).toEqual([...metadataFaults].sort())
})

test.each(metadataFaults)('the metadata suite notices a store that %s', async (fault) => {
  const run = async (broken: boolean) => {
    const cases = collectCases()
    await metadataSuite({
      test: cases.test,
      factory: () => {
        const bed = memoryMetadataBed()
        const open = async () => brokenMetadata(fault, await bed.open())
        return broken ? { ...bed, open } : bed
      },
    })
    return await cases.run(CAUGHT_BY[fault])
  }
  const sound = await run(false)
  expect(sound.length).toBeGreaterThan(0)
  expect(sound.filter(({ error }) => error !== undefined)).toEqual([])
  expect((await run(true)).some(({ error }) => error !== undefined)).toBe(true)
})
