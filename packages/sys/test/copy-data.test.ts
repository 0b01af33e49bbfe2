import fs from 'node:fs'
import { join } from 'node:path'
import { AT, O, openSys } from '@varve/sys'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { bytes, isLinux, place } from './place.ts'

const BLOCK = 4096

describe.skipIf(!isLinux)('copyFileData (needs Linux)', () => {
  const native = isLinux ? openSys({ ffi: true }).native : undefined

  /** Copies `from` to `to` and tells how, and how much disk the copy takes. */
  function copy(from: string, to: string) {
    if (!native) throw new Error('no native calls')
    const a = native.openat(AT.FDCWD, bytes(from), O.RDONLY)
    const b = native.openat(AT.FDCWD, bytes(to), O.WRONLY | O.CREAT | O.EXCL, 0o600)
    try {
      return native.copyFileData(a, b, native.fstat(a).size)
    } finally {
      native.close(a)
      native.close(b)
    }
  }

  test('data and holes, wherever they are, come out as they went in', async () => {
    await using dir = place()
    const [from, to] = [join(dir.path, 'from'), join(dir.path, 'to')]
    const stretch = fc.record({
      hole: fc.nat(5),
      data: fc.nat(3),
      byte: fc.integer({ min: 1, max: 255 }),
    })
    const tail = fc.nat(2 * BLOCK)
    fc.assert(
      fc.property(fc.array(stretch, { maxLength: 5 }), tail, (stretches, rest) => {
        const file = fs.openSync(from, 'w')
        let at = 0
        for (const { hole, data, byte } of stretches) {
          at += hole * 16 * BLOCK
          if (data > 0)
            fs.writeSync(file, new Uint8Array(data * BLOCK).fill(byte), 0, data * BLOCK, at)
          at += data * BLOCK
        }
        fs.ftruncateSync(file, at + rest)
        fs.closeSync(file)
        fs.rmSync(to, { force: true })
        copy(from, to)
        expect(fs.readFileSync(to).equals(fs.readFileSync(from))).toBe(true)
        expect(fs.statSync(to).blocks).toBeLessThanOrEqual(fs.statSync(from).blocks)
      }),
      { numRuns: runs(50) },
    )
  })

  test('a hole of a terabyte costs nothing', async () => {
    await using dir = place()
    const [from, to] = [join(dir.path, 'from'), join(dir.path, 'to')]
    fs.writeFileSync(from, 'start')
    fs.truncateSync(from, 2 ** 40)
    copy(from, to)
    expect(fs.statSync(to).size).toBe(2 ** 40)
    expect(fs.statSync(to).blocks).toBeLessThanOrEqual(fs.statSync(from).blocks)
  })

  test('where the kernel cannot copy, it reads and writes', async () => {
    await using dir = place()
    const [from, to] = [join(dir.path, 'from'), join(dir.path, 'to')]
    fs.writeFileSync(from, 'x'.repeat(100_000))
    // Neither reflink nor copy_file_range writes to a file that is opened for appending.
    if (!native) throw new Error('no native calls')
    const a = native.openat(AT.FDCWD, bytes(from), O.RDONLY)
    const b = native.openat(AT.FDCWD, bytes(to), O.WRONLY | O.CREAT | O.APPEND, 0o600)
    expect(native.copyFileData(a, b, 100_000)).toBe('read-write')
    native.close(a)
    native.close(b)
    expect(fs.readFileSync(to, 'utf8')).toBe('x'.repeat(100_000))
  })
})
