import { expect, test } from 'vitest'
import {
  brokenDriver,
  collectCases,
  driverFaults,
  driverSuite,
  memoryDriver,
} from '../src/index.ts'

/** Fault → the case that must notice it. */
const CAUGHT_BY: Readonly<Record<string, string>> = {
  'loses the setuid bit': 'modes are kept',
  'loses owners': 'owners are kept',
  'loses times': 'times are kept',
  'drops xattrs': 'xattrs are kept',
  'cuts xattrs at the first NUL': 'xattrs are kept',
  'drops devices': 'devices and pipes',
  'forgets whiteouts': 'odd tar: whiteout of a file',
  'forgets opaque marks': 'odd tar: opaque mark last',
  'copies hard links': 'hard links are one file',
  'mangles names that are not UTF-8': 'names that are not UTF-8',
  'clamps names that climb': 'hostile tar: name ../x',
  'follows symlinks out of the layer': 'write through an absolute symlink',
  'changes the parent': 'never changes its parent',
  'tells a wrong size of what it applied': 'sizes count',
  'forgets displaced payloads': 'are given as displaced',
  'tells a wrong size of a difference': 'sizes count',
  'ignores abort': 'an abort in the middle',
  'takes a cut tar for a whole one': 'cut in a payload',
  'throws errors without codes': 'cut in a payload',
  'swallows errors of the source': 'a source that fails',
  'cuts a file in its diff': 'applied elsewhere',
  'forgets deletions in its diff': 'applied elsewhere',
  'loses modes in its diff': 'a mode alone',
  'forgets deletions in its changes': 'changes are exactly',
  'tells additions as modifications': 'changes are exactly',
  'tells changes in any order': 'changes are exactly',
  'tells the root as changed': 'has no changes',
  'leaves data on remove': 'remove clears',
  'fails to remove what is not there': 'remove clears',
  'lists only finished layers': 'list names every layer',
  'makes a missing parent': 'on a parent that is not there',
  'uses any text as an id': 'an id that is no id',
  'does not count mounts': 'mounts are counted',
  'does not say that a mount is read-only': 'a read-only mount',
  'forgets what was written to a mount': 'is there in the next one',
  'forgets that a mount is kept': 'a mount that is kept stays',
  'keeps a mount once however often it is asked': 'as often as it was asked for',
  'removes a layer whose mount is kept': 'with a kept mount is not removed',
  'makes an empty layer instead of a copy': 'a copy has the files',
  'brings back in a copy what its original deleted': 'copied while it is mounted',
  'resets nothing': 'that is reset is as new',
  'resets what is mounted': 'not reset while it is mounted',
  'ignores storage options': 'a storage option',
  'makes up payloads of any size': 'files refuses names',
  'verifies nothing': 'verify finds content altered',
  'finds fault with everything': 'verify finds nothing wrong',
  'cleans up finished layers': 'sync and cleanup',
  'loses bytes behind the end of a tar': 'the very tar comes back',
}

test('every fault has a case that must notice it', () => {
  expect(Object.keys(CAUGHT_BY).sort()).toEqual([...driverFaults].sort())
})

test.each(driverFaults)('the driver suite notices a driver that %s', async (fault) => {
  const exactDiffs = fault === 'loses bytes behind the end of a tar'
  const run = async (broken: boolean) => {
    const cases = collectCases()
    const whole = () => memoryDriver({ exactDiffs })
    await driverSuite({
      test: cases.test,
      factory: () => (broken ? brokenDriver(fault, whole()) : whole()),
      alter: async (driver, id, change) =>
        await (driver as ReturnType<typeof memoryDriver>).alter(id, change),
    })
    return await cases.run(CAUGHT_BY[fault])
  }
  const sound = await run(false)
  expect(sound.length).toBeGreaterThan(0)
  expect(sound.filter(({ error }) => error !== undefined)).toEqual([])
  expect((await run(true)).some(({ error }) => error !== undefined)).toBe(true)
})
