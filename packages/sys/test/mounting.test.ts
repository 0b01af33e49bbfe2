import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { AT, MOUNT_ATTR, MS, type NativeCalls, O, openSys, type SysError, UMOUNT } from '@varve/sys'
import { describe, expect, test } from 'vitest'
import { bytes, isLinux, isRoot, place } from './place.ts'

test.runIf(process.env.CI)('mounting is tested where it must be', () => {
  expect({ isLinux, isRoot }).toEqual({ isLinux: true, isRoot: true })
})

/** Two directories to lay over each other, and a third to mount on. */
function openPlace() {
  const dir = place()
  const { native } = openSys({ ffi: true })
  if (!native) throw new Error('openSys({ ffi: true }) must have native calls')
  const at = (name: string) => join(dir.path, name)
  for (const name of ['one', 'two', 'to']) fs.mkdirSync(at(name))
  fs.writeFileSync(at('one/f'), 'one')
  fs.writeFileSync(at('two/f'), 'two')
  fs.writeFileSync(at('two/g'), 'g')
  return {
    native,
    at,
    async [Symbol.asyncDispose]() {
      execFileSync('sh', ['-c', 'umount -l "$1" 2>/dev/null; true', 'sh', at('to')])
      await dir[Symbol.asyncDispose]()
    },
  }
}

function failure(run: () => unknown): SysError {
  try {
    run()
  } catch (error) {
    return error as SysError
  }
  throw new Error('it did not fail')
}

function isMounted(path: string): boolean {
  return fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `)
}

/** An overlay that is nowhere yet. */
function overlayOf(native: NativeCalls, ...lowers: string[]): number {
  const fsfd = native.fsopen('overlay')
  try {
    native.fsconfig(fsfd, 'source', 'overlay')
    native.fsconfig(fsfd, 'lowerdir', lowers.join(':'))
    native.fscreate(fsfd)
    return native.fsmount(fsfd, MOUNT_ATTR.RDONLY)
  } finally {
    native.close(fsfd)
  }
}

describe.skipIf(!isLinux || !isRoot)('mount calls (need root)', () => {
  test('mount and umount2 do what mount and umount do', async () => {
    await using dir = openPlace()
    const { native, at } = dir
    const data = `lowerdir=${at('one')}:${at('two')}`
    native.mount(bytes('overlay'), bytes(at('to')), 'overlay', MS.RDONLY, data)
    expect(fs.readdirSync(at('to')).sort()).toEqual(['f', 'g'])
    expect(fs.readFileSync(at('to/f'), 'utf8')).toBe('one')
    expect(failure(() => fs.writeFileSync(at('to/h'), '')).code).toBe('EROFS')
    native.umount2(bytes(at('to')), UMOUNT.DETACH | UMOUNT.NOFOLLOW)
    expect(fs.readdirSync(at('to'))).toEqual([])
    expect(failure(() => native.umount2(bytes(at('to')), 0)).code).toBe('EINVAL')
  })

  test('a bind mount is made read-only by a second call', async () => {
    await using dir = openPlace()
    const { native, at } = dir
    native.mount(bytes(at('two')), bytes(at('to')), '', MS.BIND)
    const flags = MS.REMOUNT | MS.BIND | MS.RDONLY
    native.mount(bytes('none'), bytes(at('to')), '', flags)
    expect(failure(() => fs.writeFileSync(at('to/h'), '')).code).toBe('EROFS')
    fs.writeFileSync(at('two/h'), '')
    expect(fs.existsSync(at('to/h'))).toBe(true)
  })

  test('attributes of a mount are set and cleared one by one', async () => {
    await using dir = openPlace()
    const { native, at } = dir
    native.mount(bytes(at('two')), bytes(at('to')), '', MS.BIND)
    native.mountSetattr(bytes(at('to')), MOUNT_ATTR.RDONLY | MOUNT_ATTR.NODEV, 0)
    expect(failure(() => fs.writeFileSync(at('to/h'), '')).code).toBe('EROFS')
    native.mountSetattr(bytes(at('to')), 0, MOUNT_ATTR.RDONLY)
    fs.writeFileSync(at('to/h'), '')
    const table = fs.readFileSync('/proc/self/mountinfo', 'utf8')
    const line = table.split('\n').find((each) => each.includes(` ${at('to')} `))
    expect(line?.split(' ')[5]).toMatch(/^rw,.*nodev/)
    const missing = failure(() => native.mountSetattr(bytes(at('no')), MOUNT_ATTR.RDONLY, 0))
    expect([missing.code, missing.syscall]).toEqual(['ENOENT', 'mount_setattr'])
  })

  test('a mount that is nowhere is read by its descriptor, and gone when that is closed', async () => {
    await using dir = openPlace()
    const { native, at } = dir
    const mount = overlayOf(native, at('one'), at('two'))
    expect(fs.readdirSync(`/proc/self/fd/${mount}`).sort()).toEqual(['f', 'g'])
    const file = native.openat(mount, bytes('f'), O.RDONLY)
    const buffer = new Uint8Array(3)
    native.read(file, buffer)
    native.close(file)
    expect(new TextDecoder().decode(buffer)).toBe('one')
    native.close(mount)
    expect(isMounted(at('to'))).toBe(false)
  })

  test('a mount that is nowhere can be put somewhere', async () => {
    await using dir = openPlace()
    const { native, at } = dir
    const mount = overlayOf(native, at('one'), at('two'))
    native.moveMount(mount, bytes(at('to')))
    native.close(mount)
    expect(isMounted(at('to'))).toBe(true)
    expect(fs.readFileSync(at('to/f'), 'utf8')).toBe('one')
  })

  test('settings are strings, descriptors and flags', async () => {
    await using dir = openPlace()
    const { native, at } = dir
    for (const name of ['upper', 'work']) fs.mkdirSync(at(name))
    const fsfd = native.fsopen('overlay')
    const opened = ['one', 'two'].map((name) =>
      native.openat(AT.FDCWD, bytes(at(name)), O.RDONLY | O.DIRECTORY),
    )
    native.fsconfig(fsfd, 'volatile', true)
    for (const fd of opened) native.fsconfig(fsfd, 'lowerdir+', fd)
    native.fsconfig(fsfd, 'upperdir', at('upper'))
    native.fsconfig(fsfd, 'workdir', at('work'))
    native.fscreate(fsfd)
    for (const fd of opened) native.close(fd)
    const mount = native.fsmount(fsfd, 0)
    native.close(fsfd)
    fs.writeFileSync(`/proc/self/fd/${mount}/new`, 'new')
    expect(fs.readFileSync(`/proc/self/fd/${mount}/f`, 'utf8')).toBe('one')
    native.close(mount)
    expect(fs.readFileSync(at('upper/new'), 'utf8')).toBe('new')
  })

  test('the kernel’s own words about a failure can be read', async () => {
    await using dir = openPlace()
    const { native, at } = dir
    const fsfd = native.fsopen('overlay')
    expect(native.fsmessages(fsfd)).toBe('')
    const unknown = failure(() => native.fsconfig(fsfd, 'nonsense', true))
    expect([unknown.code, unknown.syscall, unknown.path]).toEqual([
      'EINVAL',
      'fsconfig',
      'nonsense',
    ])
    expect(native.fsmessages(fsfd)).toContain("'nonsense'")
    // One that is missing is only told to the kernel's log.
    native.fsconfig(fsfd, 'lowerdir', at('one'))
    expect(failure(() => native.fscreate(fsfd)).code).toBe('EINVAL')
    const long = failure(() => native.fsconfig(fsfd, 'lowerdir', 'x'.repeat(256)))
    expect([long.code, long.path]).toEqual(['EINVAL', 'lowerdir'])
    native.close(fsfd)
  })

  test('a file system that there is not, and a place that there is not, are errors', async () => {
    await using dir = openPlace()
    const { native, at } = dir
    expect(failure(() => native.fsopen('no-such-thing')).code).toBe('ENODEV')
    const mount = overlayOf(native, at('one'), at('two'))
    expect(failure(() => native.moveMount(mount, bytes(at('none')))).code).toBe('ENOENT')
    native.close(mount)
  })
})
