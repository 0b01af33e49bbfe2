import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { LayerError } from '@varve/core'
import { AT, O, openSys } from '@varve/sys'
import { createPace, openTrees } from '@varve/trees'
import { describe, expect, test } from 'vitest'
import { copyTree } from '../src/tree/copy-tree.ts'
import { makeOddTree } from './odd-tree.ts'
import { bytes, digestOfTree, isLinux, isRoot, mountXfs, nativeCalls, place } from './place.ts'

async function copy(from: string, to: string): Promise<void> {
  fs.mkdirSync(to)
  const native = nativeCalls()
  await copyTree(from, to, { native, pace: createPace({}, 'Cannot copy'), keepOwner: isRoot })
}

/** Copies an odd tree within a file system, by us and by cp(1), and compares all three. */
async function compareOn(path: string): Promise<void> {
  await using dir = place(path)
  const [from, ours, theirs] = ['from', 'ours', 'theirs'].map((n) => join(dir.path, n))
  if (!from || !ours || !theirs) throw new Error('three names')
  makeOddTree(from, nativeCalls(), isRoot)
  const before = digestOfTree(from)
  await copy(from, ours)
  execFileSync('cp', ['-a', from, theirs])
  expect(digestOfTree(theirs)).toBe(before)
  expect(digestOfTree(ours)).toBe(before)
  expect(digestOfTree(from)).toBe(before)
  const sparse = (root: string) => fs.statSync(join(root, 'sparse')).blocks
  expect(sparse(ours)).toBeLessThanOrEqual(sparse(from))
}

describe.skipIf(!isLinux)('copyTree (needs Linux)', () => {
  test('a copy is what cp -a makes, as tar and getfattr see it', async () => {
    await using dir = place()
    await compareOn(dir.path)
  })

  test.skipIf(!isRoot)('the same on tmpfs (needs root)', async () => {
    await using dir = place()
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', dir.path])
    try {
      await compareOn(dir.path)
    } finally {
      execFileSync('umount', [dir.path])
    }
  })

  test.skipIf(!isRoot)('the same on xfs, sharing the blocks (needs root)', async () => {
    await using xfs = mountXfs()
    await compareOn(xfs.path)
    fs.mkdirSync(join(xfs.path, 'big'))
    fs.writeFileSync(join(xfs.path, 'big', 'file'), new Uint8Array(20_000_000).fill(1))
    const used = () => {
      execFileSync('sync', ['-f', xfs.path])
      const { blocks, bfree, bsize } = fs.statfsSync(xfs.path)
      return (blocks - bfree) * bsize
    }
    const before = used()
    await copy(join(xfs.path, 'big'), join(xfs.path, 'copy'))
    expect(used() - before).toBeLessThan(2_000_000)
  })

  test('access times are copied too', async () => {
    await using dir = place()
    const [from, to] = [join(dir.path, 'from'), join(dir.path, 'to')]
    fs.mkdirSync(from)
    fs.writeFileSync(join(from, 'f'), 'f')
    const native = nativeCalls()
    native.utimensat(AT.FDCWD, bytes(join(from, 'f')), 1_000_000_007n, 2n)
    await copy(from, to)
    expect(native.statat(AT.FDCWD, bytes(join(to, 'f'))).atimeNs).toBe(1_000_000_007n)
  })

  test('a tree deeper than any path that the kernel takes is copied and removed', async () => {
    await using dir = place()
    const native = nativeCalls()
    const [from, to] = [join(dir.path, 'from'), join(dir.path, 'to')]
    const name = bytes('d'.repeat(200))
    fs.mkdirSync(from)
    let fd = native.openat(AT.FDCWD, bytes(from), O.RDONLY | O.DIRECTORY)
    const depth = 60
    for (let i = 0; i < depth; i++) {
      native.mkdirat(fd, name, 0o755)
      const next = native.openat(fd, name, O.RDONLY | O.DIRECTORY)
      native.close(fd)
      fd = next
    }
    native.symlinkat(bytes('end'), fd, bytes('l'))
    native.close(fd)
    await copy(from, to)
    expect(execFileSync('find', [to, '-type', 'd'], { encoding: 'utf8' }).split('\n').length).toBe(
      depth + 2,
    )
    expect(digestOfTree(to)).toBe(digestOfTree(from))
    const trees = openTrees(openSys(), isRoot)
    await trees.remove(to)
    await trees.remove(from)
    expect(fs.readdirSync(dir.path)).toEqual([])
  })

  test('it gives others their turn, and ends when it is aborted', async () => {
    await using dir = place()
    const from = join(dir.path, 'from')
    fs.mkdirSync(from)
    for (let i = 0; i < 2000; i++) fs.writeFileSync(join(from, String(i)), '')
    const abort = new AbortController()
    setImmediate(() => abort.abort())
    const trees = openTrees(openSys(), isRoot)
    fs.mkdirSync(join(dir.path, 'to'))
    const done = trees.copy(from, join(dir.path, 'to'), { signal: abort.signal })
    await expect(done).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_ABORTED'))
    expect(fs.readdirSync(join(dir.path, 'to')).length).toBeLessThan(2000)
  })

  test.skipIf(!isRoot)(
    'what is mounted in a tree is neither copied nor removed (needs root)',
    async () => {
      await using dir = place()
      await using other = place()
      const from = join(dir.path, 'from')
      fs.mkdirSync(join(from, 'mnt'), { recursive: true })
      fs.writeFileSync(join(other.path, 'precious'), 'x')
      // On the same file system: only the kernel knows that it is a mount.
      execFileSync('mount', ['--bind', other.path, join(from, 'mnt')])
      try {
        await expect(copy(from, join(dir.path, 'to'))).rejects.toThrow('EXDEV')
        const removal = openTrees(openSys(), isRoot).remove(from)
        await expect(removal).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_MOUNT_IN_USE'))
        expect(fs.readdirSync(other.path)).toEqual(['precious'])
      } finally {
        execFileSync('umount', [join(from, 'mnt')])
      }
    },
  )
})

describe('without FFI', () => {
  const trees = openTrees(openSys({ ffi: false }), isRoot)

  test('content, links, modes and times are kept', async () => {
    await using dir = place()
    const [from, to] = [join(dir.path, 'from'), join(dir.path, 'to')]
    fs.mkdirSync(join(from, 'sub'), { recursive: true })
    fs.writeFileSync(join(from, 'a'), 'content', { mode: 0o640 })
    fs.linkSync(join(from, 'a'), join(from, 'sub', 'b'))
    fs.symlinkSync('../a', join(from, 'sub', 'l'))
    fs.lutimesSync(join(from, 'sub', 'l'), 1, 900_000_000.5)
    fs.utimesSync(join(from, 'a'), 1, 1_000_000_000.123456)
    fs.utimesSync(join(from, 'sub'), 1, 1_100_000_000)
    fs.utimesSync(from, 1, 1_200_000_000)
    fs.mkdirSync(to)
    await trees.copy(from, to, {})
    if (isLinux) expect(digestOfTree(to)).toBe(digestOfTree(from))
    expect(fs.readFileSync(join(to, 'sub', 'b'), 'utf8')).toBe('content')
    expect(fs.statSync(join(to, 'a')).ino).toBe(fs.statSync(join(to, 'sub', 'b')).ino)
    await trees.sync(dir.path, ['to'])
    await trees.remove(to)
    await trees.remove(to)
    expect(fs.readdirSync(dir.path)).toEqual(['from'])
  })

  test.skipIf(!isLinux)('what cannot be kept is refused, not left out (needs Linux)', async () => {
    await using dir = place()
    const [from, to] = [join(dir.path, 'from'), join(dir.path, 'to')]
    fs.mkdirSync(from)
    fs.mkdirSync(to)
    execFileSync('mkfifo', [join(from, 'fifo')])
    await expect(trees.copy(from, to, {})).rejects.toSatisfy((e) =>
      LayerError.is(e, 'ERR_NOT_SUPPORTED'),
    )
    fs.rmSync(join(from, 'fifo'))
    nativeCalls().symlinkat(
      bytes('x'),
      AT.FDCWD,
      Buffer.concat([bytes(`${from}/`), Buffer.of(0xff)]),
    )
    await expect(trees.copy(from, to, {})).rejects.toSatisfy((e) =>
      LayerError.is(e, 'ERR_NOT_SUPPORTED'),
    )
  })
})
