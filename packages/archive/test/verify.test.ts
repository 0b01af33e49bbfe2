import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { applyLayer, verifyTree } from '@varve/archive'
import { LayerError } from '@varve/core'
import { AT } from '@varve/sys'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { type Made, makeTar } from './support/make-tar.ts'
import { list, lower, rootTest, sys, tempDir } from './support/tree.ts'

/** A copy that keeps everything, of nothing an empty directory. */
function makeCopy(from: string | undefined): string {
  const copy = fs.mkdtempSync(join(os.tmpdir(), 'varve-archive-'))
  if (from !== undefined) execFileSync('cp', ['-a', `${from}/.`, copy])
  return copy
}

function copyOf(from: string): string {
  const copy = makeCopy(from)
  onTestFinished(() => fs.rmSync(copy, { recursive: true, force: true }))
  return copy
}

describe('verify', () => {
  const tar = makeTar(
    { name: 'd/', type: '5', mode: 0o755, mtime: 10 },
    { name: 'd/f', content: '12345', mode: 0o644, mtime: 20 },
    { name: 'd/h', type: '1', link: 'd/f', mode: 0o644, mtime: 20 },
    { name: 'l', type: '2', link: 'd/f', mtime: 30 },
    { name: '.wh.hidden' },
    { name: 'o/.wh..wh..opq' },
    { name: 'o/new', content: '', mtime: 40 },
  )
  const beneath = () => lower({ hidden: '1', 'o/low': '2', left: 'alone' })
  const make = async () => {
    const from = beneath()
    const root = copyOf(from)
    await applyLayer(root, [tar], { sys })
    return { from, root }
  }
  const differences = ({ from, root }: { from: string; root: string }) =>
    Array.fromAsync(verifyTree(root, [tar], { sys, lower: from }))

  test('what was applied is as it should be', async () => {
    expect(await differences(await make())).toEqual([])
  })

  test.each<[string, (root: string) => void, string]>([
    [
      'type',
      (r) => {
        fs.rmSync(`${r}/l`)
        fs.writeFileSync(`${r}/l`, '')
      },
      'it is a file instead of a symlink',
    ],
    ['mode', (r) => fs.chmodSync(`${r}/d`, 0o700), 'mode is 0700 instead of 0755'],
    [
      'size',
      (r) => {
        fs.truncateSync(`${r}/d/f`, 3)
        fs.utimesSync(`${r}/d/f`, 20, 20)
      },
      'size is 3 instead of 5',
    ],
    [
      'target',
      (r) => {
        fs.rmSync(`${r}/l`)
        fs.symlinkSync('x', `${r}/l`)
      },
      'target is "x" instead of "d/f"',
    ],
    [
      'time',
      (r) => fs.utimesSync(`${r}/d`, 11, 11),
      'time is 11.000000000 instead of 10.000000000',
    ],
    [
      'link',
      (r) => {
        fs.copyFileSync(`${r}/d/h`, `${r}/x`)
        fs.renameSync(`${r}/x`, `${r}/d/h`)
      },
      'no longer the same file as "d/f"',
    ],
    ['missing', (r) => fs.rmSync(`${r}/l`), '"l": it is missing'],
    ['missing directory', (r) => fs.rmSync(`${r}/d`, { recursive: true }), '"d": it is missing'],
    ['whiteout', (r) => fs.writeFileSync(`${r}/hidden`, ''), '"hidden": it is there although'],
    ['opaque', (r) => fs.writeFileSync(`${r}/o/low`, ''), '"o/low": it is there although'],
    ['name too many', (r) => fs.writeFileSync(`${r}/d/more`, ''), '"d/more": it is not the layer'],
    [
      'copied file',
      (r) => {
        const { atime, mtime } = fs.statSync(`${r}/left`)
        fs.writeFileSync(`${r}/left`, 'ALONE')
        fs.utimesSync(`${r}/left`, atime, mtime)
      },
      '"left": its content is not that of the layer beneath',
    ],
    ['copied name', (r) => fs.rmSync(`${r}/left`), '"left": it is missing'],
  ])('a changed %s is told', async (_, damage, message) => {
    const made = await make()
    damage(made.root)
    expect((await differences(made)).join('\n')).toContain(message)
  })

  rootTest('owner, device and attributes are told (needs root)', async () => {
    const root = tempDir()
    const layer = makeTar(
      {
        name: 'f',
        content: '',
        uid: 5,
        pax: { 'SCHILY.xattr.user.a': '1', 'SCHILY.xattr.user.b': '2' },
      },
      { name: 'dev', type: '3', major: 1, minor: 3 },
    )
    await applyLayer(root, [layer], { sys })
    expect(await Array.fromAsync(verifyTree(root, [layer], { sys }))).toEqual([])
    const at = (key: string) => [AT.FDCWD, Buffer.from(`${root}/f`), Buffer.from(key)] as const
    fs.chownSync(`${root}/f`, 6, 0)
    sys.native?.setxattr(...at('user.a'), Buffer.from('other'))
    sys.native?.removexattr(...at('user.b'))
    sys.native?.setxattr(...at('user.c'), Buffer.from('3'))
    fs.rmSync(`${root}/dev`)
    execFileSync('mknod', ['-m', '644', `${root}/dev`, 'c', '1', '5'])
    const found = (await Array.fromAsync(verifyTree(root, [layer], { sys }))).join('\n')
    for (const text of [
      'owner is 6:0 instead of 5:0',
      '"user.a" differs',
      '"user.b" is missing',
      '"user.c" is not the layer',
      'device is 1:5 instead of 1:3',
    ]) {
      expect(found).toContain(text)
    }
  })

  test('a layer on another tree than it was made on does not fit, or differs', async () => {
    const link = makeTar({ name: 'b', type: '1', link: 'a' })
    const [with_, without] = [lower({ a: '1' }), lower({})]
    const root = copyOf(with_)
    await applyLayer(root, [link], { sys })
    expect(await Array.fromAsync(verifyTree(root, [link], { sys, lower: with_ }))).toEqual([])
    expect(await Array.fromAsync(verifyTree(root, [link], { sys, lower: without }))).toEqual([
      expect.stringContaining('does not fit on what is beneath it'),
    ])
  })

  test.each<[string, Readonly<Record<string, string | null>>, readonly Made[]]>([
    [
      'of many links',
      { run: null, 'var/run': '-> /run' },
      [
        { name: 'var/run/x', content: '1', mode: 0o600 },
        { name: 'run/x', content: '22', mode: 0o644 },
        { name: 't/u/v', content: '3' },
        { name: 't', type: '2', link: 'run' },
        { name: 'a', content: '4', mode: 0o600 },
        { name: 'b', type: '1', link: 'a', mode: 0o640 },
        { name: 'a', content: '5' },
      ],
    ],
    [
      'that writes through a link which it replaces',
      { c: '-> a', a: null },
      [
        { name: 'a/c', content: '1' },
        { name: 'd', type: '2', link: '../c' },
        { name: 'd/c', type: '1', link: 'c', mode: 0o600 },
        { name: 'c', content: '22' },
      ],
    ],
    [
      'with files of AUFS',
      {},
      [
        { name: '.wh..wh.plnk/1', content: 'linked', mode: 0o600 },
        { name: 'x', type: '1', link: '.wh..wh.plnk/1' },
      ],
    ],
  ])('an exotic but right layer, %s, is not blamed', async (_, files, entries) => {
    const from = lower(files)
    const on = copyOf(from)
    const odd = makeTar(...entries)
    await applyLayer(on, [odd], { sys, asideDir: tempDir() })
    expect(await Array.fromAsync(verifyTree(on, [odd], { sys, lower: from }))).toEqual([])
  })
})

/** Few names, so that entries and layers meet. */
const path = fc
  .array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'))
const common = {
  mode: fc.constantFrom(0o755, 0o700, 0o4711, 0o1777),
  uid: fc.constantFrom(0, 1, 1000),
  mtime: fc.integer({ min: 1_000_000_000, max: 1_000_000_003 }),
}
const xattrs = fc.constantFrom<Record<string, string>>({}, { 'SCHILY.xattr.user.x': '1' })
const target = fc.constantFrom('a', '/b', '../c', '/d/a', 'nowhere')
const file = fc.record({
  ...common,
  name: path,
  content: fc.constantFrom('', '1', '22'),
  pax: xattrs,
})
const directory = fc.record({ ...common, name: path, type: fc.constant('5'), pax: xattrs })
const symlink = fc.record({ ...common, name: path, type: fc.constant('2'), link: target })
const hardlink = fc.record({ ...common, name: path, type: fc.constant('1'), link: path })
const device = fc.record({ ...common, name: path, type: fc.constantFrom('3', '4', '6') })
const whiteout = fc
  .tuple(path, fc.boolean())
  .map(([at, opaque]) => (opaque ? `${at}/.wh..wh..opq` : at.replace(/[^/]$/, '.wh.$&')))
  .map((name): Made => ({ name }))
/** Any entry anywhere: replacing, hiding and linking to what is there, or is not. */
const anything = fc.oneof(
  { arbitrary: fc.oneof(file, directory), weight: 8 },
  { arbitrary: fc.oneof(symlink, hardlink), weight: 4 },
  { arbitrary: fc.oneof(device, fc.constant<Made>({ name: '.wh..wh..opq' })), weight: 1 },
  { arbitrary: whiteout, weight: 4 },
)
const layer: fc.Arbitrary<readonly Made[]> = fc.array(anything, { minLength: 1, maxLength: 10 })
const numRuns = runs(80)

rootTest(
  'no layer that applyLayer has just made, on whatever layers, is blamed (needs root)',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(layer, { minLength: 1, maxLength: 3 }), async (layers) => {
        const made: string[] = []
        try {
          for (const entries of layers) {
            const from = made.at(-1)
            const root = makeCopy(from)
            made.push(root)
            const tar = makeTar(...entries)
            try {
              await applyLayer(root, [tar], { sys })
            } catch (error) {
              if (!LayerError.is(error, 'ERR_INVALID_TAR')) throw error
              return
            }
            const how = { sys, ...(from === undefined ? {} : { lower: from }) }
            expect(await Array.fromAsync(verifyTree(root, [tar], how))).toEqual([])
          }
        } finally {
          for (const root of made) fs.rmSync(root, { recursive: true })
        }
      }),
      { numRuns },
    )
  },
)

/** What may become of one name, as long as what is there is of a kind that it can happen to. */
const DAMAGES: Readonly<Record<string, (at: string, stat: fs.Stats) => boolean>> = {
  removed: (at) => {
    fs.rmSync(at, { recursive: true })
    return true
  },
  'with another mode': (at, stat) => {
    if (!stat.isSymbolicLink()) fs.chmodSync(at, (stat.mode & 0o7777) ^ 0o020)
    return !stat.isSymbolicLink()
  },
  'with another owner': (at, stat) => {
    fs.lchownSync(at, stat.uid + 1, stat.gid)
    return true
  },
  'of another time': (at, stat) => {
    if (!stat.isDirectory()) fs.lutimesSync(at, stat.atime, stat.mtimeMs / 1000 + 1)
    return !stat.isDirectory()
  },
  longer: (at, stat) => {
    if (stat.isFile()) fs.appendFileSync(at, '!')
    if (stat.isFile()) fs.utimesSync(at, stat.atime, stat.mtime)
    return stat.isFile()
  },
  'with company': (at, stat) => {
    if (stat.isDirectory()) fs.writeFileSync(join(at, 'company'), '')
    return stat.isDirectory()
  },
  'something else': (at, stat) => {
    if (stat.isDirectory()) return false
    fs.rmSync(at)
    fs.symlinkSync('elsewhere', at)
    return true
  },
  'with an attribute': (at, stat) => {
    if (!stat.isSymbolicLink()) {
      const spot = [AT.FDCWD, Buffer.from(at), Buffer.from('trusted.new')] as const
      sys.native?.setxattr(...spot, Buffer.from('1'))
    }
    return !stat.isSymbolicLink()
  },
}
const anyDamage = fc.constantFrom(...Object.keys(DAMAGES))

rootTest(
  'one damage anywhere in a layer or in what it was copied from is told (needs root)',
  async () => {
    const ordinary = fc.array(fc.oneof(file, directory, symlink), { minLength: 1, maxLength: 10 })
    const where = fc.nat({ max: 1000 })
    await fc.assert(
      fc.asyncProperty(ordinary, ordinary, anyDamage, where, async (below, above, what, index) => {
        const from = makeCopy(undefined)
        const tar = makeTar(...above)
        let root: string | undefined
        try {
          await applyLayer(from, [makeTar(...below)], { sys })
          root = makeCopy(from)
          await applyLayer(root, [tar], { sys })
          const names = list(root)
          const at = join(root, names[index % names.length] ?? '').replace(/\/$/, '')
          fc.pre(DAMAGES[what]?.(at, fs.lstatSync(at)) ?? false)
          const found = await Array.fromAsync(verifyTree(root, [tar], { sys, lower: from }))
          expect(found).not.toEqual([])
        } catch (error) {
          if (!LayerError.is(error, 'ERR_INVALID_TAR')) throw error
        } finally {
          for (const tree of [from, root]) if (tree) fs.rmSync(tree, { recursive: true })
        }
      }),
      { numRuns },
    )
  },
)
