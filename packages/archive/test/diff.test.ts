import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { applyLayer, changesBetween, changesSize, diffSize, writeDiff } from '@varve/archive'
import { type ByteSource, collect } from '@varve/core'
import { AT, S } from '@varve/sys'
import { createTarScanner, type TarEntry } from '@varve/tar'
import { describe, expect, test } from 'vitest'
import { makeTar } from './support/make-tar.ts'
import { codeOf, ffiTest, list, lower, rootTest, sys, tempDir } from './support/tree.ts'

/** A copy that keeps everything. */
function copyOf(root: string): string {
  const copy = tempDir()
  execFileSync('cp', ['-a', `${root}/.`, copy])
  return copy
}

async function changes(upper: string, from?: string): Promise<string[]> {
  const found = await Array.fromAsync(changesBetween(upper, from, { sys }))
  return found.map(({ kind, path }) => `${kind[0]?.toUpperCase()} ${path}`)
}

async function entriesOf(tar: ByteSource): Promise<TarEntry[]> {
  const entries: TarEntry[] = []
  const scanner = createTarScanner({
    entry: (entry) => entries.push({ ...entry }),
    payload: () => {},
    entryEnd: () => {},
  })
  for await (const chunk of tar) scanner.push(chunk)
  scanner.end()
  return entries
}

const namesOf = async (tar: ByteSource) =>
  (await entriesOf(tar)).map(({ name, type }) => `${type} ${Buffer.from(name)}`)

/** Later than anything that a test made before. */
function touch(path: string): void {
  fs.lutimesSync(path, 1_700_000_000, 1_700_000_000)
}

describe('changes', () => {
  test('nothing changed is nothing', async () => {
    const base = lower({ 'a/b': '1', l: '-> a' })
    expect(await changes(copyOf(base), base)).toEqual([])
  })

  test('without a lower tree everything is added, sorted by bytes', async () => {
    const root = lower({ 'a/b': '1', 'a-b': '2', 'a.c': '3', Z: '4', é: '5' })
    expect(await changes(root)).toEqual(['A /Z', 'A /a', 'A /a-b', 'A /a.c', 'A /a/b', 'A /é'])
  })

  test('additions, modifications, deletions, and the directories they are in', async () => {
    const base = lower({ 'd/old': '1', 'd/same': '2', 'e/deep/x': '3', 'f/g/h': '4', gone: '5' })
    const upper = copyOf(base)
    fs.writeFileSync(join(upper, 'd/old'), 'changed')
    fs.writeFileSync(join(upper, 'd/new'), 'n')
    fs.rmSync(join(upper, 'e/deep'), { recursive: true })
    fs.rmSync(join(upper, 'gone'))
    expect(await changes(upper, base)).toEqual([
      'M /d',
      'A /d/new',
      'M /d/old',
      'M /e',
      'D /e/deep',
      'D /gone',
    ])
  })

  test('a change of type is one modification', async () => {
    const base = lower({ 'd/x': '1', f: '2' })
    const upper = copyOf(base)
    fs.rmSync(join(upper, 'd'), { recursive: true })
    fs.writeFileSync(join(upper, 'd'), 'file')
    fs.rmSync(join(upper, 'f'))
    fs.mkdirSync(join(upper, 'f'))
    fs.writeFileSync(join(upper, 'f/y'), '')
    expect(await changes(upper, base)).toEqual(['M /d', 'M /f', 'A /f/y'])
  })

  test('mode and time count; a time without fraction equals any in its second', async () => {
    const base = lower({ a: '1', b: '2', c: '3' })
    const upper = copyOf(base)
    fs.utimesSync(join(base, 'c'), 1_600_000_000.5, 1_600_000_000.5)
    fs.utimesSync(join(upper, 'c'), 1_600_000_000, 1_600_000_000)
    fs.chmodSync(join(upper, 'a'), 0o600)
    fs.utimesSync(join(upper, 'b'), 1_600_000_000.25, 1_600_000_000.25)
    expect(await changes(upper, base)).toEqual(['M /a', 'M /b'])
  })

  rootTest('owner and capability count (needs root)', async () => {
    const base = lower({ a: '1', b: '2' })
    const upper = copyOf(base)
    const time = fs.statSync(join(upper, 'b'), { bigint: true }).mtimeNs
    fs.chownSync(join(upper, 'a'), 5, 5)
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex')
    const name = Buffer.from('security.capability')
    sys.native?.setxattr(AT.FDCWD, Buffer.from(join(upper, 'b')), name, capability)
    expect(fs.statSync(join(upper, 'b'), { bigint: true }).mtimeNs).toBe(time)
    expect(await changes(upper, base)).toEqual(['M /a', 'M /b'])
  })

  ffiTest('raw names are kept, shown ones are readable', async () => {
    const root = tempDir()
    const made = makeTar({ name: Uint8Array.of(0x61, 0xff) })
    await applyLayer(root, [made], { sys })
    const [change] = await Array.fromAsync(changesBetween(root, undefined, { sys }))
    expect(change?.path).toBe('/a\ufffd')
    expect(Buffer.from(change?.rawPath ?? []).toString('hex')).toBe('2f61ff')
  })

  test('sizes: a file of two names once, links by their target, removed files not', async () => {
    const base = lower({ gone: '12345', same: '1' })
    const upper = copyOf(base)
    fs.rmSync(join(upper, 'gone'))
    fs.writeFileSync(join(upper, 'x'), '1234')
    fs.linkSync(join(upper, 'x'), join(upper, 'y'))
    fs.symlinkSync('abc', join(upper, 'l'))
    expect(await diffSize(upper, base, { sys })).toBe(7)
    expect(await changesSize(upper, changesBetween(upper, base, { sys }), { sys })).toBe(7)
  })
})

describe('diff', () => {
  test('nothing changed is the empty tar', async () => {
    const base = lower({ a: '1' })
    const tar = await collect(writeDiff(copyOf(base), base, { sys }), 10_000)
    expect(Buffer.from(tar).equals(Buffer.alloc(1024))).toBe(true)
  })

  test('the same trees are the same bytes', async () => {
    const base = lower({ 'a/b': '1', c: '2' })
    const upper = copyOf(base)
    fs.rmSync(join(upper, 'c'))
    touch(join(upper, 'a/b'))
    const first = await collect(writeDiff(upper, base, { sys }), 2 ** 20)
    expect(await collect(writeDiff(copyOf(upper), base, { sys }), 2 ** 20)).toEqual(first)
  })

  test('rule 43: whiteouts, whole seconds, hard links by inode', async () => {
    const base = lower({ 'd/gone': '1', 'd/stays': '2' })
    const upper = copyOf(base)
    fs.rmSync(join(upper, 'd/gone'))
    fs.writeFileSync(join(upper, 'x'), 'linked')
    fs.linkSync(join(upper, 'x'), join(upper, 'y'))
    fs.utimesSync(join(upper, 'x'), 1_600_000_000.9, 1_600_000_000.9)
    const entries = await entriesOf(writeDiff(upper, base, { sys }))
    expect(entries.map((e) => `${e.type} ${Buffer.from(e.name)} ${e.size}`)).toEqual([
      'directory d/ 0',
      'file d/.wh.gone 0',
      'file x 6',
      'link y 0',
    ])
    expect(entries[2]?.mtime).toEqual({ sec: 1_600_000_000, nsec: 0 })
    expect(Buffer.from(entries[3]?.linkname ?? []).toString()).toBe('x')
  })

  test('a new name of an unchanged file: the link is not lost', async () => {
    const base = lower({ 'd/a': 'content', other: '1' })
    const upper = copyOf(base)
    fs.linkSync(join(upper, 'd/a'), join(upper, 'z'))
    expect(await changes(upper, base)).toEqual(['A /z'])
    expect(await namesOf(writeDiff(upper, base, { sys }))).toEqual([
      'directory d/',
      'file d/a',
      'link z',
    ])
    const again = copyOf(base)
    await applyLayer(again, writeDiff(upper, base, { sys }), { sys })
    expect(fs.statSync(join(again, 'd/a')).ino).toBe(fs.statSync(join(again, 'z')).ino)
    expect(await changes(again, upper)).toEqual([])
  })

  rootTest('rule 43: sockets are left out; devices and FIFOs are not (needs root)', async () => {
    const root = tempDir()
    const { createServer } = await import('node:net')
    const server = createServer()
    await new Promise<void>((done) => server.listen(join(root, 'socket'), done))
    execFileSync('mknod', [join(root, 'dev'), 'b', '259', '70000'])
    execFileSync('mknod', [join(root, 'pipe'), 'p'])
    const entries = await entriesOf(writeDiff(root, undefined, { sys }))
    server.close()
    expect(entries.map((e) => `${e.type} ${Buffer.from(e.name)}`)).toEqual([
      'block dev',
      'fifo pipe',
    ])
    expect([entries[0]?.devmajor, entries[0]?.devminor]).toEqual([259, 70_000])
  })

  ffiTest('rule 43: what a socket took the place of is hidden (needs the FFI)', async () => {
    const base = lower({ 'd/file': '1', 'd/kept': '2', 'tree/x': '3' })
    const upper = copyOf(base)
    for (const name of ['d/file', 'd/new', 'tree']) {
      fs.rmSync(join(upper, name), { recursive: true, force: true })
      sys.native?.mknodat(AT.FDCWD, Buffer.from(join(upper, name)), S.IFSOCK | 0o600)
    }
    expect(await changes(upper, base)).toEqual(['M /d', 'M /d/file', 'A /d/new', 'M /tree'])
    const tar = await Array.fromAsync(writeDiff(upper, base, { sys }))
    expect(await namesOf(tar)).toEqual(['directory d/', 'file d/.wh.file', 'file .wh.tree'])
    const again = copyOf(base)
    await applyLayer(again, tar, { sys })
    expect(list(again)).toEqual(['d/', 'd/kept'])
  })

  rootTest('rule 38: capabilities lose their user namespace (needs root)', async () => {
    const { portableCapability } = await import('../src/diff/exported-xattrs.ts')
    const third = Buffer.from('010000030004000000000000000000000000000040420f00', 'hex')
    const second = Buffer.from('0100000200040000000000000000000000000000', 'hex')
    expect(Buffer.from(portableCapability(third)).equals(second)).toBe(true)
    expect(Buffer.from(portableCapability(second)).equals(second)).toBe(true)
    const root = lower({ f: 'x' })
    const set = (key: string, value: Uint8Array) =>
      sys.native?.setxattr(AT.FDCWD, Buffer.from(join(root, 'f')), Buffer.from(key), value)
    set('security.capability', second)
    set('user.binary', Uint8Array.of(0, 255, 10))
    set('trusted.overlay.origin', Uint8Array.of(1))
    const [entry] = await entriesOf(writeDiff(root, undefined, { sys }))
    expect([...(entry?.xattrs.keys() ?? [])].sort()).toEqual(['security.capability', 'user.binary'])
    expect(Buffer.from(entry?.xattrs.get('user.binary') ?? []).toString('hex')).toBe('00ff0a')
  })

  test('a sparse file is read as zeros, quickly', async () => {
    const root = tempDir()
    const path = join(root, 's')
    const fd = fs.openSync(path, 'w')
    fs.writeSync(fd, Buffer.from('end'), 0, 3, 300_000_000)
    fs.writeSync(fd, Buffer.from('start'), 0, 5, 0)
    fs.closeSync(fd)
    let size = 0
    let nonzero = ''
    const zeros = Buffer.alloc(2 ** 20)
    for await (const chunk of writeDiff(root, undefined, { sys })) {
      const isZero = zeros.subarray(0, chunk.length).equals(chunk)
      if (size > 0 && !isZero) nonzero += Buffer.from(chunk).toString('latin1').replaceAll('\0', '')
      size += chunk.length
    }
    expect(size).toBe(512 + Math.ceil(300_000_003 / 512) * 512 + 1024)
    expect(nonzero).toBe('end')
  })

  test('abort', async () => {
    const controller = new AbortController()
    controller.abort()
    const tar = writeDiff(lower({ a: '1' }), undefined, { sys, signal: controller.signal })
    expect(await codeOf(collect(tar, 10_000))).toBe('ERR_ABORTED')
  })

  rootTest(
    'GNU tar unpacks it to the same tree, and its own tar is applied to the same (needs root)',
    async () => {
      const root = lower({ 'd/e/f': 'x'.repeat(70_000), 'd/g': '', l: '-> d/e/f' })
      fs.linkSync(join(root, 'd/g'), join(root, 'd/h'))
      fs.chmodSync(join(root, 'd/g'), 0o4751)
      fs.chownSync(join(root, 'd/e'), 12, 34)
      fs.mkdirSync(join(root, 'n'.repeat(150)))
      fs.writeFileSync(join(root, 'n'.repeat(150), 'ü'.repeat(100)), 'long')
      execFileSync('mknod', [join(root, 'null'), 'c', '1', '3'])
      const theirs = tempDir()
      const tar = await collect(writeDiff(root, undefined, { sys }), 2 ** 22)
      execFileSync('tar', ['-C', theirs, '-xpf', '-', '--xattrs'], { input: tar })
      expect(await changes(theirs, root)).toEqual([])
      const ours = tempDir()
      const made = execFileSync('tar', ['-C', root, '--format=gnu', '-cf', '-', '.'])
      await applyLayer(ours, [made], { sys })
      expect(await changes(ours, root)).toEqual([])
      expect(list(ours)).toEqual(list(root))
    },
  )
})
