import fs from 'node:fs'
import { join } from 'node:path'
import { openSys } from '@varve/sys'
import { describe, expect, test } from 'vitest'
import { isLinux, place } from './place.ts'

const KINDS = isLinux ? [true, false] : [false]

describe.each(KINDS)('openSys({ ffi: %s })', (ffi) => {
  const sys = openSys({ ffi })

  test('says what it cannot keep exactly if something is missing', () => {
    expect(sys.limits.length > 0).toBe(!ffi)
    expect(sys.native !== undefined).toBe(ffi)
  })

  test('renameNoReplace renames, and leaves alone what is there', async () => {
    await using dir = place()
    const [a, b, c] = ['a', 'b', 'c'].map((name) => join(dir.path, name)) as [
      string,
      string,
      string,
    ]
    fs.writeFileSync(a, 'a')
    fs.mkdirSync(b)
    expect(await sys.renameNoReplace(a, b)).toBe(false)
    expect(await sys.renameNoReplace(a, c)).toBe(true)
    expect(fs.readdirSync(dir.path).sort()).toEqual(['b', 'c'])
    fs.symlinkSync('nowhere', a)
    expect(await sys.renameNoReplace(c, a)).toBe(false)
    const none = join(dir.path, 'none')
    await expect(sys.renameNoReplace(none, b)).rejects.toThrow('ENOENT')
    await expect(sys.renameNoReplace(none, join(dir.path, 'x'))).rejects.toThrow('ENOENT')
  })

  test('directories and file systems are synced, and what is not there is an error', async () => {
    await using dir = place()
    await sys.syncDirectory(dir.path)
    expect(await sys.syncFileSystem(dir.path)).toBe(ffi)
    const none = join(dir.path, 'none')
    await expect(sys.syncDirectory(none)).rejects.toThrow('ENOENT')
    if (ffi) await expect(sys.syncFileSystem(none)).rejects.toThrow('ENOENT')
  })

  test('the boot id stays the same while the machine runs', async () => {
    expect(await sys.bootId()).toBe(await openSys().bootId())
    if (isLinux) expect(await sys.bootId()).toMatch(/^[0-9a-f-]{36}$/)
  })
})
