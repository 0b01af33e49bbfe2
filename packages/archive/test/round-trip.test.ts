import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { applyLayer, changesBetween, openFiles, verifyTree, writeDiff } from '@varve/archive'
import { collect } from '@varve/core'
import { AT } from '@varve/sys'
import fc from 'fast-check'
import { expect } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { list, rootTest, sys, tempDir } from './support/tree.ts'

/** One step that makes or changes something in a tree. */
const name = fc.constantFrom('a', 'b', 'c', 'a-b', 'ü', '.wh', 'long'.repeat(40))
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const mode = fc.integer({ min: 0, max: 0o7777 })
const time = fc.integer({ min: 0, max: 4_000_000_000 })
const step = fc.oneof(
  fc.record({
    do: fc.constant('file' as const),
    path,
    mode,
    time,
    bytes: fc.uint8Array({ maxLength: 2000 }),
  }),
  fc.record({ do: fc.constant('directory' as const), path, mode, time }),
  fc.record({ do: fc.constant('symlink' as const), path, time, target: path }),
  fc.record({ do: fc.constant('link' as const), path, target: path }),
  fc.record({ do: fc.constant('node' as const), path, mode, type: fc.constantFrom('p', 'c') }),
  fc.record({ do: fc.constant('xattr' as const), path, value: fc.uint8Array({ maxLength: 20 }) }),
  fc.record({ do: fc.constant('owner' as const), path, mode, uid: fc.nat(70_000), time }),
  fc.record({ do: fc.constant('remove' as const), path }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Does a step if it can be done; times are whole seconds, since tars hold no others. */
function perform(root: string, action: Step): void {
  const at = join(root, action.path)
  try {
    if (action.do === 'remove') {
      fs.rmSync(at, { recursive: true, force: true })
      return
    }
    fs.mkdirSync(join(at, '..'), { recursive: true })
    const own = () => fs.lstatSync(at)
    if (action.do === 'file') fs.writeFileSync(at, action.bytes, { flag: 'wx' })
    else if (action.do === 'directory') fs.mkdirSync(at)
    else if (action.do === 'symlink') fs.symlinkSync(action.target, at)
    else if (action.do === 'link') fs.linkSync(join(root, action.target), at)
    else if (action.do === 'node') {
      const numbers = action.type === 'c' ? ['1', '3'] : []
      execFileSync('mknod', [at, action.type, ...numbers], { stdio: 'ignore' })
    } else if (action.do === 'xattr') {
      const [attribute, bytes] = [Buffer.from('trusted.test'), Buffer.from(at)]
      sys.native?.setxattr(AT.FDCWD, bytes, attribute, action.value)
    } else fs.lchownSync(at, action.uid, action.uid)
    if ('mode' in action && !own().isSymbolicLink()) fs.chmodSync(at, action.mode)
    if ('time' in action) fs.lutimesSync(at, action.time, action.time)
  } catch (error) {
    // Without a code: removing what a loop of symbolic links leads to.
    const expected = ['', 'EEXIST', 'ENOTDIR', 'ENOENT', 'EPERM', 'EISDIR', 'ELOOP', 'ENOTSUP']
    const { code, status } = error as { code?: string; status?: number }
    if (!expected.includes(code ?? 'none') && status === undefined) throw error
  }
}

/** Everything there is to know of a tree, directories’ times set by `list` aside. */
function facts(root: string): string[] {
  const inodes = new Map<bigint, string>()
  return list(root).map((listed) => {
    const at = join(root, listed)
    const stat = fs.lstatSync(at.replace(/\/$/, ''), { bigint: true })
    const first = inodes.get(stat.ino) ?? listed
    inodes.set(stat.ino, first)
    const content = stat.isFile()
      ? fs.readFileSync(at).toString('hex')
      : stat.isSymbolicLink()
        ? fs.readlinkSync(at)
        : `${stat.rdev}`
    const value = sys.native?.getxattr(
      AT.FDCWD,
      Buffer.from(at.replace(/\/$/, '')),
      Buffer.from('trusted.test'),
    )
    const xattr = value ? Buffer.from(value).toString('hex') : '-'
    const { mode, uid, gid, mtimeNs } = stat
    return [listed, mode.toString(8), uid, gid, mtimeNs, first, content, xattr].join(' ')
  })
}

/** Fractions of a second that the steps themselves left on directories. */
function wholeSeconds(root: string): void {
  for (const listed of list(root).reverse()) {
    const at = join(root, listed).replace(/\/$/, '')
    const seconds = Number(fs.lstatSync(at, { bigint: true }).mtimeNs / 1_000_000_000n)
    fs.lutimesSync(at, seconds, seconds)
  }
}

rootTest('any tree → diff → apply is the same tree, and verify agrees (needs root)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
      const root = tempDir()
      for (const action of steps) perform(root, action)
      wholeSeconds(root)
      const tar = await collect(writeDiff(root, undefined, { sys }), 2 ** 24)
      const copy = tempDir()
      await applyLayer(copy, [tar], { sys })
      expect(facts(copy)).toEqual(facts(root))
      expect(await Array.fromAsync(verifyTree(copy, [tar], { sys }))).toEqual([])
      expect(await Array.fromAsync(changesBetween(copy, root, { sys }))).toEqual([])
      await using files = openFiles(copy, { sys })
      for (const listed of list(root)) {
        const stat = fs.lstatSync(join(root, listed.replace(/\/$/, '')))
        if (!stat.isFile() || stat.size === 0) continue
        const bytes = await collect(files.open(Buffer.from(listed), stat.size), 10_000)
        expect(fs.readFileSync(join(root, listed)).equals(bytes)).toBe(true)
      }
    }),
    { numRuns: runs(60) },
  )
})

rootTest('any changes → diff → applied on what it was, is what it is (needs root)', async () => {
  const some = fc.array(step, { minLength: 3, maxLength: 15 })
  await fc.assert(
    fc.asyncProperty(some, some, async (before, after) => {
      const base = tempDir()
      for (const action of before) perform(base, action)
      wholeSeconds(base)
      const [upper, again] = [tempDir(), tempDir()]
      for (const copy of [upper, again]) execFileSync('cp', ['-a', `${base}/.`, copy])
      // Without fractions a change must be in another second to be one.
      for (const action of after) perform(upper, action)
      wholeSeconds(upper)
      fs.utimesSync(again, 0, 0)
      await applyLayer(again, writeDiff(upper, base, { sys }), { sys })
      expect(await Array.fromAsync(changesBetween(again, upper, { sys }))).toEqual([])
      expect(list(again)).toEqual(list(upper))
    }),
    { numRuns: runs(60) },
  )
})
