import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { AT, type NativeCalls, O, openSys } from '@varve/sys'
import { describe, expect, test } from 'vitest'
import { bytes, isLinux, isRoot, place } from './place.ts'

function calls(): NativeCalls {
  const { native } = openSys({ ffi: true })
  if (!native) throw new Error('openSys({ ffi: true }) must have native calls')
  return native
}

describe.skipIf(!isLinux || !isRoot)('devices (need root)', () => {
  test('a loop device shows a file, cannot be written to, and goes when it is closed', async () => {
    await using dir = place()
    const file = join(dir.path, 'disk')
    fs.writeFileSync(file, 'x'.repeat(512) + 'y'.repeat(512))
    const native = calls()
    const fd = native.openat(AT.FDCWD, bytes(file), O.RDONLY)
    const loop = native.attachLoop(fd, file)
    native.close(fd)
    try {
      expect(fs.readFileSync(loop.path, 'utf8')).toBe(fs.readFileSync(file, 'utf8'))
      expect(() => fs.writeFileSync(loop.path, 'z')).toThrow(/EPERM|EROFS|EACCES/)
    } finally {
      native.close(loop.fd)
    }
    // It is detached by a worker of the kernel, soon.
    for (let i = 0; i < 1000; i++) {
      if (!execFileSync('losetup', ['-a'], { encoding: 'utf8' }).includes(file)) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`${loop.path} is still there`)
  })

  test('a file that is under verity has a digest and takes no more writes; else it has none', async () => {
    await using dir = place()
    const file = join(dir.path, 'f')
    fs.writeFileSync(file, 'content')
    const native = calls()
    const fd = native.openat(AT.FDCWD, bytes(file), O.RDONLY)
    try {
      expect(native.measureVerity(fd)).toBeUndefined()
      if (await native.enableVerity(fd)) {
        expect(native.measureVerity(fd)?.length).toBe(32)
        expect(() => fs.writeFileSync(file, 'other')).toThrow(/EPERM/)
      } else {
        expect(native.measureVerity(fd)).toBeUndefined()
        fs.writeFileSync(file, 'other')
      }
    } finally {
      native.close(fd)
    }
  })
})
