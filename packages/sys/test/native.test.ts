import fs from 'node:fs'
import { join } from 'node:path'
import { AT, DT, O, openSys, RENAME, RESOLVE, S, type SysError } from '@varve/sys'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { bytes, isLinux, isRoot, place, text } from './place.ts'

const NONE = new Uint8Array(0)

/** A new directory and a descriptor of it. */
function openPlace() {
  const dir = place()
  const native = calls()
  const fd = native.openat(AT.FDCWD, bytes(dir.path), O.RDONLY | O.DIRECTORY)
  return {
    native,
    fd,
    at: (name: string) => join(dir.path, name),
    async [Symbol.asyncDispose]() {
      native.close(fd)
      await dir[Symbol.asyncDispose]()
    },
  }
}

function calls() {
  const { native } = openSys({ ffi: true })
  if (!native) throw new Error('openSys({ ffi: true }) must have native calls')
  return native
}

function failure(run: () => unknown): SysError {
  try {
    run()
  } catch (error) {
    return error as SysError
  }
  throw new Error('it did not fail')
}

/** Any name that Linux takes, UTF-8 or not. */
const fileName = fc
  .uint8Array({ minLength: 1, maxLength: 255 })
  .filter((name) => !name.includes(0) && !name.includes(0x2f) && !/^\.{1,2}$/.test(text(name)))

describe.skipIf(!isLinux)('native calls (needs Linux)', () => {
  test('a failure looks like one of node:fs', async () => {
    await using dir = openPlace()
    const ours = failure(() => dir.native.openat(AT.FDCWD, bytes(dir.at('none')), O.RDONLY))
    const theirs = failure(() => fs.openSync(dir.at('none'), 'r'))
    expect(ours).toBeInstanceOf(Error)
    expect({ code: ours.code, errno: ours.errno, path: ours.path }).toEqual({
      code: theirs.code,
      errno: theirs.errno,
      path: theirs.path,
    })
    expect(ours.message).toBe(`ENOENT: no such file or directory, openat '${dir.at('none')}'`)
  })

  test('every name of bytes can be made, is listed as it is, and can be removed', async () => {
    await using dir = openPlace()
    const { native, fd } = dir
    fc.assert(
      fc.property(fc.uniqueArray(fileName, { maxLength: 20, selector: String }), (names) => {
        for (const name of names) native.mkdirat(fd, name, 0o755)
        const found = native.readdir(fd)
        expect(found.map((e) => String(e.name)).sort()).toEqual(names.map(String).sort())
        expect(found.every((e) => e.type === DT.DIR || e.type === DT.UNKNOWN)).toBe(true)
        for (const name of names) native.unlinkat(fd, name, AT.REMOVEDIR)
        expect(native.readdir(fd)).toEqual([])
      }),
      { numRuns: runs(30) },
    )
  })

  test('a directory larger than the buffer is listed whole, more than once', async () => {
    await using dir = openPlace()
    const names = Array.from({ length: 3000 }, (_, i) => `${'n'.repeat(40)}${i}`)
    for (const name of names) dir.native.symlinkat(bytes('x'), dir.fd, bytes(name))
    for (let round = 0; round < 2; round++) {
      const found = dir.native.readdir(dir.fd)
      expect(found.map((e) => text(e.name)).sort()).toEqual([...names].sort())
    }
  })

  test('a NUL or too long a path is refused before the kernel sees a shorter one', async () => {
    await using dir = openPlace()
    fs.mkdirSync(dir.at('a'))
    const nul = failure(() => dir.native.unlinkat(dir.fd, bytes('a\0b'), AT.REMOVEDIR))
    expect(nul.code).toBe('EINVAL')
    const long = failure(() => dir.native.mkdirat(dir.fd, bytes('a/'.repeat(2048)), 0o755))
    expect(long.code).toBe('ENAMETOOLONG')
    expect(fs.existsSync(dir.at('a'))).toBe(true)
  })

  test('openat2 keeps inside: no way out by dots, links or absolute links', async () => {
    await using dir = openPlace()
    const { native, fd } = dir
    expect(native.hasOpenat2).toBe(true)
    fs.mkdirSync(dir.at('in'))
    fs.symlinkSync('/in', dir.at('absolute'))
    fs.symlinkSync('../../../..', dir.at('up'))
    const beneath = (path: string) =>
      native.openat2(fd, bytes(path), O.PATH, 0, RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS)
    for (const path of ['..', 'in/../..', 'absolute', 'up', '/']) {
      expect(failure(() => beneath(path)).code).toBe('EXDEV')
    }
    native.close(beneath('in/../in'))
    // As after chroot: the root stands in for everything above it.
    const inRoot = native.openat2(fd, bytes('absolute'), O.PATH, 0, RESOLVE.IN_ROOT)
    expect(native.fstat(inRoot).ino).toBe(fs.statSync(dir.at('in'), { bigint: true }).ino)
    native.close(inRoot)
    const top = native.openat2(fd, bytes('up/in'), O.PATH, 0, RESOLVE.IN_ROOT)
    expect(native.fstat(top).ino).toBe(fs.statSync(dir.at('in'), { bigint: true }).ino)
    native.close(top)
  })

  test('times are kept to the nanosecond, before 1970 too', async () => {
    await using dir = openPlace()
    const { native, fd } = dir
    fs.writeFileSync(dir.at('f'), '')
    fs.symlinkSync('f', dir.at('l'))
    // What ext4 can hold: seconds from -2^31 on.
    const time = fc.bigInt({
      min: -(2n ** 31n - 1n) * 1_000_000_000n,
      max: 2n ** 33n * 1_000_000_000n,
    })
    fc.assert(
      fc.property(time, time, fc.constantFrom('f', 'l'), (atimeNs, mtimeNs, name) => {
        native.utimensat(fd, bytes(name), atimeNs, mtimeNs)
        expect(native.statat(fd, bytes(name))).toMatchObject({ atimeNs, mtimeNs })
      }),
    )
    const file = native.openat(fd, bytes('f'), O.RDWR)
    native.futimens(file, 1n, 2n)
    expect(native.fstat(file)).toMatchObject({ atimeNs: 1n, mtimeNs: 2n })
    native.close(file)
  })

  test('statat tells what node:fs tells', async () => {
    await using dir = openPlace()
    fs.writeFileSync(dir.at('file'), 'content', { mode: 0o640 })
    fs.linkSync(dir.at('file'), dir.at('second'))
    fs.symlinkSync('file', dir.at('link'))
    fs.mkdirSync(dir.at('dir'))
    for (const name of ['file', 'second', 'link', 'dir']) {
      const theirs = fs.lstatSync(dir.at(name), { bigint: true })
      const ours = dir.native.statat(dir.fd, bytes(name))
      const { mode, nlink, uid, gid, size, blocks, ino } = ours
      expect({ mode, nlink, uid, gid, size, blocks }).toEqual({
        mode: Number(theirs.mode),
        nlink: Number(theirs.nlink),
        uid: Number(theirs.uid),
        gid: Number(theirs.gid),
        size: Number(theirs.size),
        blocks: Number(theirs.blocks),
      })
      expect(ino).toBe(theirs.ino)
      // Deno's `fs.lstat` knows milliseconds of these, and of the third seconds.
      expect(ours.atimeNs / 1_000_000n).toBe(theirs.atimeNs / 1_000_000n)
      expect(ours.mtimeNs / 1_000_000n).toBe(theirs.mtimeNs / 1_000_000n)
      expect(ours.ctimeNs / 1_000_000_000n).toBe(theirs.ctimeNs / 1_000_000_000n)
    }
    expect(dir.native.statat(dir.fd, bytes('link'), true).mode & S.IFMT).toBe(S.IFREG)
    expect(dir.native.statIfAny(dir.fd, bytes('none'))).toBeUndefined()
    expect(failure(() => dir.native.statIfAny(dir.fd, bytes('file/x'))).code).toBe('ENOTDIR')
  })

  test('a mode is set as given, whatever the umask, and never through a link', async () => {
    await using dir = openPlace()
    const { native, fd } = dir
    fs.writeFileSync(dir.at('f'), '', { mode: 0o600 })
    fs.symlinkSync('f', dir.at('l'))
    native.fchmodat(fd, bytes('f'), 0o7777)
    expect(native.statat(fd, bytes('f')).mode & 0o7777).toBe(0o7777)
    expect(failure(() => native.fchmodat(fd, bytes('l'), 0o000)).code).toBe('ENOTSUP')
    const place = native.openat(fd, bytes('f'), O.PATH)
    native.fchmodat(place, NONE, 0o640)
    native.close(place)
    expect(native.statat(fd, bytes('f')).mode & 0o7777).toBe(0o640)
  })

  test('extended attributes hold any bytes, on a descriptor, a place and a name', async () => {
    await using dir = openPlace()
    const { native, fd } = dir
    fs.writeFileSync(dir.at('f'), '')
    const file = native.openat(fd, bytes('f'), O.RDWR)
    const spot = native.openat(fd, bytes('f'), O.PATH)
    const attribute = bytes('user.varve')
    const value = fc.uint8Array({ maxLength: 1000 })
    const ways = fc.constantFrom<[number, Uint8Array]>([fd, bytes('f')], [file, NONE], [spot, NONE])
    fc.assert(
      fc.property(value, ways, ways, (data, writer, reader) => {
        native.setxattr(...writer, attribute, data)
        expect(native.getxattr(...reader, attribute)).toEqual(data)
        expect(native.listxattr(...reader).map(text)).toContain('user.varve')
        native.removexattr(...writer, attribute)
        expect(native.getxattr(...reader, attribute)).toBeUndefined()
      }),
    )
    native.close(file)
    native.close(spot)
  })

  test.skipIf(!isRoot)('attributes of a symbolic link are its own (needs root)', async () => {
    await using dir = openPlace()
    const { native, fd } = dir
    fs.writeFileSync(dir.at('f'), '')
    fs.symlinkSync('f', dir.at('l'))
    const [attribute, value] = [bytes('trusted.varve'), new Uint8Array([0, 255, 254, 0])]
    native.setxattr(fd, bytes('l'), attribute, value)
    expect(native.getxattr(fd, bytes('f'), attribute)).toBeUndefined()
    const spot = native.openat(fd, bytes('l'), O.PATH | O.NOFOLLOW)
    expect(native.getxattr(spot, NONE, attribute)).toEqual(value)
    native.close(spot)
  })

  test.skipIf(!isRoot)(
    'device numbers are kept, and refused beyond what Linux has (needs root)',
    async () => {
      await using dir = openPlace()
      const { native, fd } = dir
      const number = fc.tuple(fc.nat(0xfff), fc.nat(0xfffff))
      fc.assert(
        fc.property(number, fc.constantFrom(S.IFCHR, S.IFBLK), ([major, minor], type) => {
          native.mknodat(fd, bytes('d'), type | 0o600, major, minor)
          const stat = native.statat(fd, bytes('d'))
          native.unlinkat(fd, bytes('d'))
          expect([stat.rdevMajor, stat.rdevMinor, stat.mode & S.IFMT]).toEqual([major, minor, type])
        }),
      )
      for (const [major, minor] of [
        [0x1000, 0],
        [0, 0x100000],
        [-1, 0],
        [2 ** 32, 0],
      ] as const) {
        const error = failure(() => native.mknodat(fd, bytes('d'), S.IFCHR, major, minor))
        expect(error.code).toBe('EINVAL')
      }
      expect(fs.existsSync(dir.at('d'))).toBe(false)
    },
  )

  test('renameat2 does not replace, and exchanges', async () => {
    await using dir = openPlace()
    const { native, fd } = dir
    fs.writeFileSync(dir.at('a'), 'a')
    fs.writeFileSync(dir.at('b'), 'b')
    const [a, b] = [bytes('a'), bytes('b')]
    expect(failure(() => native.renameat2(fd, a, fd, b, RENAME.NOREPLACE)).code).toBe('EEXIST')
    native.renameat2(fd, a, fd, b, RENAME.EXCHANGE)
    expect(fs.readFileSync(dir.at('a'), 'utf8')).toBe('b')
    native.renameat2(fd, a, fd, b)
    expect(fs.readdirSync(dir.at('.'))).toEqual(['b'])
  })

  test('what need not be there and what may be there already is no error', async () => {
    await using dir = openPlace()
    const { native, fd } = dir
    expect(native.mkdirIfNone(fd, bytes('d'), 0o755)).toBe(true)
    expect(native.mkdirIfNone(fd, bytes('d'), 0o755)).toBe(false)
    expect(native.unlinkIfAny(fd, bytes('d'), AT.REMOVEDIR)).toBe(true)
    expect(native.unlinkIfAny(fd, bytes('d'), AT.REMOVEDIR)).toBe(false)
    expect(failure(() => native.mkdirIfNone(fd, bytes('x/y'), 0o755)).code).toBe('ENOENT')
  })

  test('links: targets of any bytes, and a hard link to a symbolic link is one', async () => {
    await using dir = openPlace()
    const { native, fd } = dir
    const target = new Uint8Array([0xff, 0x2f, 0x2e, 0x2e, 0x2f, 0xfe])
    native.symlinkat(target, fd, bytes('l'))
    expect(native.readlinkat(fd, bytes('l'))).toEqual(target)
    native.linkat(fd, bytes('l'), fd, bytes('h'))
    expect(native.readlinkat(fd, bytes('h'))).toEqual(target)
    expect(native.statat(fd, bytes('l')).nlink).toBe(2)
  })

  test('descriptors are not inherited by children', async () => {
    await using dir = openPlace()
    const flags = fs.readFileSync(`/proc/self/fdinfo/${dir.fd}`, 'utf8').match(/flags:\s*(\d+)/)
    expect(Number.parseInt(flags?.[1] ?? '', 8) & O.CLOEXEC).toBe(O.CLOEXEC)
  })

  test('locks on an open file: shared, exclusive, freed', async () => {
    await using dir = openPlace()
    const { native, fd } = dir
    const [a, b] = [0, 1].map(() => native.openat(fd, bytes('f'), O.RDWR | O.CREAT, 0o600))
    if (a === undefined || b === undefined) throw new Error('no descriptors')
    expect([native.flock(a, 'shared'), native.flock(b, 'shared')]).toEqual([true, true])
    expect(native.flock(a, 'exclusive')).toBe(false)
    expect(native.flock(b, 'unlock')).toBe(true)
    expect(native.flock(a, 'exclusive')).toBe(true)
    expect(native.flock(b, 'shared')).toBe(false)
    native.close(a)
    expect(native.flock(b, 'exclusive')).toBe(true)
    native.close(b)
  })

  test('syncs of what cannot be synced fail, others do not', async () => {
    await using dir = openPlace()
    const { native } = dir
    native.fsync(dir.fd)
    native.fdatasync(dir.fd)
    native.syncfs(dir.fd)
    const [reader, writer] = [AT.FDCWD, -1]
    expect(failure(() => native.fsync(writer)).code).toBe('EBADF')
    expect(failure(() => native.syncfs(reader)).code).toBe('EBADF')
  })
})
