import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { tarOf } from './archives.ts'
import { contents, example, expectClean, isRoot, jsonLines, ok, scratch, varve } from './varve.ts'

/** In CI such a test runs whatever happens, so that it cannot be skipped unseen. */
const skips = !isRoot && process.env.CI === undefined
/** An ordinary user, as nobody is. */
const USER = 65_534
const asUser = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups']

/** At once, though a loop device on it may be attached a little longer. */
function unmount(path: string): void {
  execFileSync('umount', ['-l', path])
}

describe('an ordinary user', () => {
  test.skipIf(skips)('can do all of it in a place of their own (needs root)', async () => {
    const folder = await scratch()
    await chown(folder, USER, USER)
    const root = join(folder, 'store')
    const as = { root, prefix: asUser, cwd: '/' }
    const load = await varve(['load', '-t', 'a:1', example], as)
    expect(load.stderr).toContain('with the vfs driver (you are not root')
    expect(load.code).toBe(0)
    const { bytes } = await varve(['save', 'a:1'], as)
    const other = join(await scratch(), 'other')
    const [again] = jsonLines(await ok(['load', '--json', '-'], { root: other, stdin: bytes }))
    expect(again.id).toBe((await ok(['images', '-q'], as)).trim())
    expect(await ok(['check', '--full', '--json'], as)).toBe('')
    await ok(['rm', 'a:1'], as)
    expect(await readdir(join(root, 'vfs/dir'))).toEqual([])
  })

  test.skipIf(skips)('keeps the store in XDG_DATA_HOME by default (needs root)', async () => {
    const folder = await scratch()
    await chown(folder, USER, USER)
    await ok(['layer', 'register'], {
      prefix: asUser,
      cwd: '/',
      env: { XDG_DATA_HOME: folder },
      stdin: tarOf([]),
    })
    expect(await readdir(join(folder, 'varve'))).toContain('varve')
  })

  test.skipIf(skips)("is told that another's store is not theirs (needs root)", async () => {
    const folder = await scratch()
    await chmod(folder, 0o755)
    const root = join(folder, 'store')
    await ok(['load', '-q', example], { root })
    const before = await contents(root)
    for (const args of [['images'], ['load', example]]) {
      const result = await varve([...args, '--json'], { root, prefix: asUser, cwd: '/' })
      expect(result.code).toBe(1)
      const { error } = jsonLines(result.stderr)[0]
      expect(error).toMatchObject({ code: 'ERR_PERMISSION', hint: expect.any(String) })
    }
    expect(await contents(root)).toEqual(before)
  })

  test.skipIf(skips)('is told when a new store cannot be made (needs root)', async () => {
    const folder = await scratch()
    await chmod(folder, 0o755)
    const result = await varve(['load', example, '--json'], {
      root: join(folder, 'store'),
      prefix: asUser,
      cwd: '/',
    })
    expect(result.code).toBe(1)
    expect(jsonLines(result.stderr)[0].error.code).toBe('ERR_PERMISSION')
    expect(await readdir(folder)).toEqual([])
  })
})

describe('a new store', () => {
  test.skipIf(skips)(
    'has the best driver that works, and says why not a better one (needs root)',
    async () => {
      const disk = join(await scratch(), 'disk')
      await mkdir(disk)
      const stderrOn = async (type: string): Promise<string> => {
        execFileSync('mount', ['-t', type, type, disk])
        try {
          const { code, stderr } = await varve(['load', '-q', example], {
            root: join(disk, 'store'),
          })
          expect(code).toBe(0)
          // A slow machine would tell of layers too.
          const args = ['load', '--no-progress', example]
          const loud = await varve(args, { root: join(disk, 'other') })
          return stderr + loud.stderr
        } finally {
          unmount(disk)
        }
      }
      expect(await stderrOn('tmpfs')).toMatch(
        /^varve: made a new store in \S+ with the erofs driver\n$/,
      )
      // Which keeps no extended attributes.
      expect(await stderrOn('ramfs')).toMatch(
        /^varve: not with erofs: .*\nvarve: not with overlay2: .*\n.*with the vfs driver\n$/,
      )
    },
  )
})

describe('a full disk', () => {
  test.skipIf(skips)('is an error; the store is as it was and works on (needs root)', async () => {
    const disk = join(await scratch(), 'disk')
    await mkdir(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk])
    onTestFinished(() => unmount(disk))
    const root = join(disk, 'store')
    const small = tarOf([{ name: 'small', content: 'x' }])
    const large = tarOf([{ name: 'large', content: randomBytes(8 * 2 ** 20) }])
    await ok(['layer', 'register'], { root, stdin: small })
    const before = await contents(root)

    const result = await varve(['layer', 'register', '--json'], { root, stdin: large })
    expect(result.code).toBe(1)
    const { error } = jsonLines(result.stderr)[0]
    expect(error).toMatchObject({ code: 'ERR_NO_SPACE', hint: expect.any(String) })
    expect(await contents(root)).toEqual(before)
    await expectClean(root)

    execFileSync('mount', ['-o', 'remount,size=64m', disk])
    await ok(['layer', 'register'], { root, stdin: large })
    await expectClean(root)
  })
})
