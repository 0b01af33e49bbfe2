import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newCacheID } from '@varve/core'
import { windows } from '@varve/driver-windows'
import { driverSuite } from '@varve/testkit'
import { afterAll, expect, test } from 'vitest'
import { underFiles } from './lens.ts'

const dir = mkdtempSync(join(tmpdir(), 'varve-windows-'))
afterAll(() => rm(dir, { recursive: true, force: true }))

/** What the suite asks of a driver and Windows has not. */
const NOT_ON_WINDOWS: Readonly<Record<string, readonly string[]>> = {
  'a file has no mode, no owner and no device of Linux': [
    'driver: a mode alone is a change, and of that file only',
    'driver: modes are kept: sticky directory, setuid file, no bits at all',
    'driver: hard links are one file, within the layer and in its tar',
    'driver: hostile tar: fifo that claims a size (applies)',
    'driver: hostile tar: uid 2^32 - 1 (refused)',
    'driver: hostile tar: uid 2^32 (refused)',
    'driver: hostile tar: uid 2^32 + 1 (refused)',
    'driver: hostile tar: uid -1 (refused)',
    'driver: hostile tar: gid 2^40 (refused)',
  ],
  'names are Unicode, and \\ and : have a meaning': [
    'driver: names that are not UTF-8 are kept byte for byte',
    'driver: odd tar: names with spaces, signs and scripts (applies)',
  ],
  'nothing is put behind a link, not even where it would stay inside': [
    'driver: files gives payloads by the raw name in the tar, in any order, more than once',
    'driver: every payload of a layer is either in it or displaced',
    'driver: odd tar: file in a directory reached by an absolute symlink (applies)',
  ],
  'a read-write layer stands on files, is no parent, takes no tar and cannot be copied': [
    'driver: a read-write layer on an init layer sees and does not change it',
    'driver: a layer that is applied on a read-write layer changes what is there',
    'driver: sizes count what is in the files, a hard link once',
    'driver: a copy has the files, the changes and the size of its original',
    'driver: a copy and its original do not see each other',
    'driver: a layer is copied while it is mounted',
    'driver: a copy may stand on a copy of what its original stands on',
  ],
  'an imitation cannot keep programs from writing': [
    'driver: a read-only mount says so, and the kernel keeps it so',
  ],
  'layers share files by hard links, which shows in the number of their names': [
    'driver: a diff from nothing is the whole file system',
  ],
  'the lens writes no sparse entries; see codec.test.ts': [
    'driver: odd tar: GNU sparse file (applies)',
    'driver: odd tar: PAX sparse file, version 0.1 (applies)',
    'driver: odd tar: PAX sparse file, version 1.0 (applies)',
  ],
}
const left = new Set(Object.values(NOT_ON_WINDOWS).flat())

await driverSuite({
  test: (name, fn) => {
    if (!left.delete(name)) test(name, fn)
  },
  alter: async (driver, id, change) => {
    await using mount = await driver.mount(id, { readOnly: true })
    await change(mount.path)
  },
  factory: async () => underFiles(await windows({ root: join(dir, newCacheID()) })),
})

test('the suite has every case that is left out', () => {
  expect([...left]).toEqual([])
})
