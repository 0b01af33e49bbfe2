import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { type CacheID, collect, LayerError, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { type TarEntry, tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { bytes, canMount, mountsIn, nativeCalls, place } from './place.ts'
import { command } from './runtime.ts'

const modeOf = (path: string) => (fs.lstatSync(path).mode & 0o7777).toString(8)
const AT_FDCWD = -100

/** A driver, and its home looked at from outside. */
async function bed() {
  const dir = place()
  const root = join(dir.path, 'overlay2')
  const driver = await overlay({ root })
  const at = (...names: string[]) => join(root, ...names)
  const layer = async (entries: readonly TarEntry[], parent?: CacheID) => {
    const id = newCacheID()
    await driver.create(id, parent ? { parent } : {})
    await using _applied = await driver.applyDiff(id, parent, [tarOf(entries)])
    return id
  }
  return {
    driver,
    root,
    at,
    layer,
    text: (...names: string[]) => fs.readFileSync(at(...names), 'utf8'),
    async [Symbol.asyncDispose]() {
      await driver[Symbol.asyncDispose]()
      await dir[Symbol.asyncDispose]()
    },
  }
}

function xattr(path: string, name: string): string | undefined {
  const value = nativeCalls().getxattr(AT_FDCWD, bytes(path), bytes(name))
  return value && Buffer.from(value).toString()
}

function isWhiteout(path: string): boolean {
  const stat = fs.lstatSync(path)
  return stat.isCharacterDevice() && stat.rdev === 0
}

describe.skipIf(!canMount)('on disk (needs root)', () => {
  test('a layer is laid out as Docker’s, whatever the umask', async () => {
    await using at = await bed()
    const [base, top] = [newCacheID(), newCacheID()]
    const create = (...args: string[]) => command('work', at.root, 'create', ...args)
    // In a process of its own, because threads share the umask and may not set it.
    for (const args of [create(base), create(top, base)]) {
      execFileSync('sh', ['-c', 'umask 0; exec "$@"', 'sh', ...args])
    }
    expect([at.root, at.at('l'), at.at(base), at.at(top)].map(modeOf)).toEqual([
      '710',
      '700',
      '710',
      '710',
    ])
    expect(fs.readdirSync(at.at(base)).sort()).toEqual(['committed', 'diff', 'link'])
    expect(fs.readdirSync(at.at(top)).sort()).toEqual(['diff', 'link', 'lower', 'work'])
    const names = [at.text(base, 'link'), at.text(top, 'link')]
    for (const name of names) expect(name).toMatch(/^[A-Z2-7]{26}$/)
    expect(fs.readlinkSync(at.at('l', names[0] as string))).toBe(`../${base}/diff`)
    expect(at.text(top, 'lower')).toBe(`l/${names[0]}`)
    expect(['diff', 'link', 'lower', 'work'].map((name) => modeOf(at.at(top, name)))).toEqual([
      '755',
      '644',
      '644',
      '700',
    ])
    expect([modeOf(at.at(base, 'committed')), at.text(base, 'committed')]).toEqual(['600', ''])
    const third = newCacheID()
    await at.driver.create(third, { parent: top })
    expect(at.text(third, 'lower')).toBe(`l/${names[1]}:l/${names[0]}`)
    await at.driver.remove(third)
    expect(fs.readdirSync(at.at('l')).sort()).toEqual([...names].sort())
  })

  test('a home that others could enter is closed to them', async () => {
    await using dir = place()
    fs.chmodSync(dir.path, 0o777)
    await using _driver = await overlay({ root: dir.path })
    expect(modeOf(dir.path)).toBe('710')
  })

  test('the root of a child is as its parent’s', async () => {
    await using at = await bed()
    const base = await at.layer([{ name: './', mode: 0o1711, uid: 3, xattrs: { 'user.a': 'b' } }])
    const top = await at.layer([{ name: 'f', data: 'f' }], base)
    await using mount = await at.driver.mount(top)
    expect([modeOf(mount.path), fs.lstatSync(mount.path).uid]).toEqual(['1711', 3])
    expect(xattr(mount.path, 'user.a')).toBe('b')
  })

  test('whiteouts are devices 0:0, opaque directories are marked, links and parents brought up', async () => {
    await using at = await bed()
    const base = await at.layer([
      { name: 'gone', data: 'g' },
      { name: 'opaque/old', data: 'o' },
      { name: 'remade/old', data: 'o' },
      { name: 'tmp/', mode: 0o1777, uid: 5 },
      { name: 'file', data: 'file', mode: 0o640, uid: 9, mtime: 1_234_567_890 },
      { name: 'link', type: 'symlink', link: '/opaque' },
    ])
    const top = await at.layer(
      [
        { name: '.wh.gone', uid: 7 },
        { name: 'opaque/new', data: 'n' },
        { name: 'opaque/.wh..wh..opq' },
        { name: '.wh.remade' },
        { name: 'remade/new', data: 'n' },
        { name: 'tmp/x', data: 'x' },
        { name: 'hard', type: 'hardlink', link: 'file', mode: 0o600 },
        { name: 'link/through', data: 't' },
        { name: 'forged/', xattrs: { 'trusted.overlay.opaque': 'y' } },
        { name: '.wh.nothing' },
      ],
      base,
    )
    const diff = (name: string) => at.at(top, 'diff', name)
    expect(isWhiteout(diff('gone'))).toBe(true)
    expect([modeOf(diff('gone')), fs.lstatSync(diff('gone')).uid]).toEqual(['0', 7])
    for (const name of ['opaque', 'remade']) {
      expect(xattr(diff(name), 'trusted.overlay.opaque')).toBe('y')
    }
    expect([modeOf(diff('tmp')), fs.lstatSync(diff('tmp')).uid]).toEqual(['1777', 5])
    expect(fs.readFileSync(diff('hard'), 'utf8')).toBe('file')
    expect(fs.lstatSync(diff('hard')).ino).toBe(fs.lstatSync(diff('file')).ino)
    expect(fs.readlinkSync(diff('link'))).toBe('/opaque')
    expect(fs.readFileSync(diff('opaque/through'), 'utf8')).toBe('t')
    expect(xattr(diff('forged'), 'trusted.overlay.opaque')).toBe(undefined)
    expect(xattr(diff('forged'), 'trusted.overlay.overlay.opaque')).toBe('y')
    expect(fs.existsSync(diff('nothing'))).toBe(false)
    await using mount = await at.driver.mount(top, { readOnly: true })
    expect(fs.readdirSync(join(mount.path, 'opaque')).sort()).toEqual(['new', 'through'])
    expect(fs.readdirSync(join(mount.path, 'remade'))).toEqual(['new'])
  })

  test('no whiteout stays in a directory that the same layer hides later', async () => {
    await using at = await bed()
    const base = await at.layer([{ name: 'd/lower' }, { name: 'd/sub/deep' }])
    const top = await at.layer(
      [
        { name: 'd/' },
        { name: 'd/.wh.lower' },
        { name: 'd/sub/' },
        { name: 'd/sub/.wh.deep' },
        { name: '.wh.d' },
      ],
      base,
    )
    expect(xattr(at.at(top, 'diff', 'd'), 'trusted.overlay.opaque')).toBe('y')
    expect(fs.readdirSync(at.at(top, 'diff'), { recursive: true }).sort()).toEqual(['d', 'd/sub'])
    await using mount = await at.driver.mount(top, { readOnly: true })
    expect(fs.readdirSync(join(mount.path, 'd'))).toEqual(['sub'])
  })

  test('a device 0:0 in a tar is refused', async () => {
    await using at = await bed()
    const layer = at.layer([{ name: 'w', type: 'char', major: 0, minor: 0 }])
    await expect(layer).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_UNSAFE_PATH'))
  })

  test('verify finds a whiteout, a mark or a file that was taken away', async () => {
    const tar = tarOf([
      { name: '.wh.gone' },
      { name: 'd/' },
      { name: 'd/.wh..wh..opq' },
      { name: 'f' },
    ])
    const damages: [(diff: string) => void, string][] = [
      [(diff) => fs.rmSync(join(diff, 'gone')), 'gone'],
      [
        (diff) => execFileSync('setfattr', ['-x', 'trusted.overlay.opaque', join(diff, 'd')]),
        'd/x',
      ],
      [(diff) => fs.rmSync(join(diff, 'f')), 'f'],
      [(diff) => execFileSync('setfattr', ['-n', 'user.x', '-v', '1', join(diff, 'f')]), 'user.x'],
    ]
    for (const [damage, what] of damages) {
      await using at = await bed()
      const base = await at.layer([{ name: 'gone' }, { name: 'd/x' }, { name: 'f', data: 'below' }])
      const top = newCacheID()
      await at.driver.create(top, { parent: base })
      await using _applied = await at.driver.applyDiff(top, base, [tar])
      const verify = () => Array.fromAsync(at.driver.verify?.(top, [tar]) ?? [])
      expect(await verify()).toEqual([])
      damage(at.at(top, 'diff'))
      const found = await verify()
      expect(found.length).toBe(1)
      expect(found[0]).toContain(what)
    }
  })

  test('payloads that a layer on a used read-write layer displaces are kept too', async () => {
    await using at = await bed()
    const [base, top] = [newCacheID(), newCacheID()]
    await at.driver.create(base)
    await at.driver.createReadWrite(top, { parent: base })
    {
      await using mount = await at.driver.mount(top)
      fs.writeFileSync(join(mount.path, 'mine'), 'mine')
    }
    const tar = tarOf([
      { name: 'f', data: 'first' },
      { name: 'f', data: 'second' },
      { name: '.wh.mine' },
    ])
    await using applied = await at.driver.applyDiff(top, base, [tar])
    expect(applied.displaced.length).toBe(1)
    const kept = await collect(applied.displaced[0]?.open() ?? [], 100)
    expect(Buffer.from(kept).toString()).toBe('first')
    expect(fs.readdirSync(at.at(top, 'diff'))).toEqual(['f'])
    expect(mountsIn(at.root)).toEqual([])
  })

  test('a copy has the whiteouts and marks of its original, but not what is about its mount', async () => {
    await using at = await bed()
    const base = await at.layer([{ name: 'gone' }, { name: 'd/x' }])
    const [top, copy] = [newCacheID(), newCacheID()]
    await at.driver.createReadWrite(top, { parent: base })
    {
      await using mount = await at.driver.mount(top)
      fs.rmSync(join(mount.path, 'gone'))
      fs.rmSync(join(mount.path, 'd'), { recursive: true })
      fs.mkdirSync(join(mount.path, 'd'))
    }
    // As kernels since 6.6 tell one mount from another.
    const named = ['-n', 'trusted.overlay.uuid', '-v', '0x00', at.at(top, 'diff')]
    execFileSync('setfattr', named)
    await at.driver.createReadWrite(copy, { parent: base, copyOf: top })
    const diff = (name: string) => at.at(copy, 'diff', name)
    expect(isWhiteout(diff('gone'))).toBe(true)
    expect(xattr(diff('d'), 'trusted.overlay.opaque')).toBe('y')
    expect(xattr(diff('.'), 'trusted.overlay.uuid')).toBe(undefined)
    expect(at.text(copy, 'link')).not.toBe(at.text(top, 'link'))
  })

  test('lost short names are found again', async () => {
    await using at = await bed()
    const base = await at.layer([{ name: 'f', data: 'f' }])
    const top = newCacheID()
    await at.driver.createReadWrite(top, { parent: base })
    const link = at.text(base, 'link')
    fs.rmSync(at.at('l', link))
    {
      await using mount = await at.driver.mount(top)
      expect(fs.readdirSync(mount.path)).toEqual(['f'])
    }
    fs.rmSync(at.at(base, 'link'))
    await at.driver.createReadWrite(newCacheID(), { parent: base })
    expect(at.text(base, 'link')).toBe(link)
    fs.symlinkSync('../nobody/diff', at.at('l', 'A'.repeat(26)))
    fs.symlinkSync(`../${newCacheID()}/diff`, at.at('l', 'B'.repeat(26)))
    expect(await at.driver.cleanup()).toEqual(['1 entries of l/ that lead nowhere'])
  })

  test('a damaged list of lower layers is no path', async () => {
    await using at = await bed()
    const base = await at.layer([])
    const top = newCacheID()
    await at.driver.createReadWrite(top, { parent: base })
    for (const lower of ['l/../../etc', '', 'l/', `l/${'A'.repeat(26)}`]) {
      fs.writeFileSync(at.at(top, 'lower'), lower)
      const mounted = at.driver.mount(top)
      await expect(mounted).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_CORRUPT_LAYER'))
    }
    expect(mountsIn(at.root)).toEqual([])
  })

  test('an upper directory with redirects or metadata only is not taken for the difference', async () => {
    await using at = await bed()
    const base = await at.layer([{ name: 'd/f', data: 'f' }])
    const top = newCacheID()
    await at.driver.createReadWrite(top, { parent: base })
    // As another program would with redirect_dir=on: `d` is now called `e`.
    const paths = [`lowerdir=${at.at(base, 'diff')}`, `upperdir=${at.at(top, 'diff')}`]
    const options = [...paths, `workdir=${at.at(top, 'work')}`, 'redirect_dir=on'].join(',')
    const point = at.at(top, 'merged')
    fs.mkdirSync(point)
    execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', point])
    fs.renameSync(join(point, 'd'), join(point, 'e'))
    execFileSync('umount', [point])
    const changes = await Array.fromAsync(at.driver.changes(top, base))
    expect(changes.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'delete /d',
      'add /e',
      'add /e/f',
    ])
  })
})

describe.skipIf(!canMount)('opened to read only (needs root)', () => {
  test('layers are read, mounted nowhere, and nothing is changed', async () => {
    await using at = await bed()
    const base = await at.layer([{ name: 'f', data: 'f' }])
    const top = await at.layer([{ name: 'g', data: 'g' }], base)
    const list = () =>
      execFileSync('find', [at.root, '-printf', '%p %m %T@ %C@\n'], { encoding: 'utf8' })
    const before = list()
    {
      await using driver = await overlay({ root: at.root, readOnly: true })
      expect((await Array.fromAsync(driver.list())).sort()).toEqual([base, top].sort())
      await using mount = await driver.mount(top)
      expect(fs.readdirSync(mount.path).sort()).toEqual(['f', 'g'])
      expect(execFileSync('ls', [mount.path], { encoding: 'utf8' })).toBe('f\ng\n')
      expect(mountsIn(at.root)).toEqual([])
      expect((await Array.fromAsync(driver.changes(top, base))).length).toBe(1)
      const made = driver.create(newCacheID())
      await expect(made).rejects.toSatisfy((e) => LayerError.is(e, 'ERR_PERMISSION'))
    }
    expect(list()).toBe(before)
  })
})
