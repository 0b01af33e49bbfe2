import fs from 'node:fs'
import { join } from 'node:path'
import { applyLayer, openRoot } from '@varve/archive'
import { AT } from '@varve/sys'
import { describe, expect, test } from 'vitest'
import { makeTar } from './support/make-tar.ts'
import {
  apply,
  applyUnderMask,
  codeOf,
  ffiTest,
  isRoot,
  list,
  lower,
  modeOf,
  rootTest,
  sys,
  tempDir,
  timesNs,
} from './support/tree.ts'

describe('names', () => {
  test('rule 1: names are cleaned, and a directory entry of the root sets its metadata', async () => {
    const layer = await apply([
      { name: '/abs//x/./y', content: '1' },
      { name: 'a/../b', content: '2' },
      { name: './', type: '5', mode: 0o1711, mtime: 1_234_567_890 },
    ])
    expect(list(layer.root)).toEqual(['abs/', 'abs/x/', 'abs/x/y', 'b'])
    expect(modeOf(layer.root)).toBe(0o1711)
    expect(fs.statSync(layer.root).mtimeMs).toBe(1_234_567_890_000)
  })

  test('rule 1: an entry of the root that is no directory is an error', async () => {
    for (const type of ['0', '1', '2', '6']) {
      const entry = { name: type === '1' ? './.' : '.', type, link: '/etc' }
      expect(await codeOf(apply([entry])), type).toBe('ERR_UNSAFE_PATH')
    }
  })

  test('rule 2: a name that begins with .. after cleaning is an error', async () => {
    for (const name of ['../x', 'a/../../x', '/../x', '..']) {
      expect(await codeOf(apply([{ name, content: 'x' }])), name).toBe('ERR_UNSAFE_PATH')
    }
  })

  test('rule 3: symbolic links on the way lead as if the tree were the whole system', async () => {
    const on = lower({ run: null, var: null, deep: null })
    fs.symlinkSync('/run', join(on, 'var/run'))
    fs.symlinkSync('../../../../run', join(on, 'deep/up'))
    const layer = await apply(
      [
        { name: 'var/run/a', content: '1' },
        { name: 'deep/up/b', content: '2' },
        { name: 'var/run', type: '2', link: '/elsewhere' },
      ],
      { on },
    )
    expect(list(on)).toContain('run/a')
    expect(list(on)).toContain('run/b')
    expect(fs.readlinkSync(layer.path('var/run'))).toBe('/elsewhere')
  })

  test('rule 3: a link to a directory that is missing makes that directory', async () => {
    const on = lower({ var: null })
    fs.symlinkSync('/not/yet', join(on, 'var/run'))
    await apply([{ name: 'var/run/a', content: '1' }], { on })
    expect(fs.readFileSync(join(on, 'not/yet/a'), 'utf8')).toBe('1')
  })

  test('rule 4: missing parents are 0755 whatever the umask', () => {
    const root = applyUnderMask('077', [
      { name: 'a/b/file', content: '' },
      { name: 'c/d/', type: '5', mode: 0o700 },
    ])
    for (const name of ['a', 'a/b', 'c']) expect(modeOf(join(root, name)), name).toBe(0o755)
  })

  test('rule 5: a parent that is no directory is an error', async () => {
    const on = lower({ a: 'file' })
    expect(await codeOf(apply([{ name: 'a/b', content: '' }], { on }))).toBe('ERR_INVALID_TAR')
    expect(fs.readFileSync(join(on, 'a'), 'utf8')).toBe('file')
  })

  test('rule 6: peculiar names are left out where they mean something, and only there', async () => {
    const entries = [
      { name: 'c:x', content: '1' },
      { name: 'a\\b', content: '2' },
      { name: 'ok', content: '3' },
      { name: 'l', type: '1', link: 'c:x' },
      { name: 's', type: '2', link: 'c:\\x' },
    ]
    const windows = await apply(entries, { portableNames: true })
    expect(list(windows.root)).toEqual(['ok', 's'])
    expect(windows.omitted.names).toBe(3)
    const linux = await apply(entries, { portableNames: false })
    expect(list(linux.root)).toEqual(['a\\b', 'c:x', 'l', 'ok', 's'])
  })
})

describe('whiteouts', () => {
  test('rule 7: a whiteout removes a tree without following links; a missing one is fine', async () => {
    const on = lower({ 'keep/x': '1', 'gone/deep/y': '2', 'gone/link': '-> ../keep' })
    await apply([{ name: '.wh.gone' }, { name: '.wh.missing' }, { name: 'no/.wh.where' }], { on })
    expect(list(on)).toEqual(['keep/', 'keep/x'])
  })

  test('rule 7: a whiteout beneath what became a file finds nothing there, as umoci writes it', async () => {
    const on = lower({ 'd/x': '1' })
    await apply([{ name: 'd', content: 'file' }, { name: 'd/.wh.x' }, { name: 'd/.wh..wh..opq' }], {
      on,
    })
    expect(list(on)).toEqual(['d'])
  })

  test('rule 8: a whiteout of no name, . or .. is an error', async () => {
    const on = lower({ 'd/x': '1' })
    for (const name of ['.wh.', '.wh..', '.wh...', 'd/.wh.', 'd/.wh..', 'd/.wh...']) {
      expect(await codeOf(apply([{ name }], { on })), name).toBe('ERR_UNSAFE_PATH')
    }
    expect(list(on)).toEqual(['d/', 'd/x'])
  })

  test('rule 9: an opaque directory loses what is below, also the root', async () => {
    const on = lower({ 'd/a': '1', 'd/e/f': '2', other: '3' })
    await apply([{ name: 'd/.wh..wh..opq' }], { on })
    expect(list(on)).toEqual(['d/', 'other'])
    await apply([{ name: '.wh..wh..opq' }], { on })
    expect(list(on)).toEqual([])
  })

  test('rule 10: opaque keeps what this layer wrote, in any order, with its parents', async () => {
    const files = { 'd/low': '1', 'd/implied/low': '2', 'd/implied/mid/low': '3' }
    const entries = [
      { name: 'd/implied/mid/new', content: 'n' },
      { name: 'd/plain', content: 'n' },
    ]
    const opaque = { name: 'd/.wh..wh..opq' }
    for (const order of [
      [opaque, ...entries],
      [...entries, opaque],
    ]) {
      const on = lower(files)
      await apply(order, { on })
      expect(list(on)).toEqual([
        'd/',
        'd/implied/',
        'd/implied/mid/',
        'd/implied/mid/new',
        'd/plain',
      ])
    }
  })

  test('rule 10: what is reached through a symbolic link is known under its own name', async () => {
    const on = lower({ 'run/low': '1', 'var/run': '-> /run' })
    await apply([{ name: 'var/run/new', content: 'n' }, { name: 'run/.wh..wh..opq' }], { on })
    expect(list(on)).toContain('run/new')
    expect(list(on)).not.toContain('run/low')
  })

  test('rule 11: a whiteout hides lower layers only', async () => {
    const on = lower({ a: 'low', 'd/low': '1' })
    const layer = await apply(
      [
        { name: 'a', content: 'new' },
        { name: '.wh.a' },
        { name: 'd/new', content: 'new' },
        { name: '.wh.d' },
      ],
      { on },
    )
    expect(layer.read('a')).toBe('new')
    expect(list(on)).toEqual(['a', 'd/', 'd/new'])
  })

  test('rule 12: after its whiteout a name can be made anew', async () => {
    const on = lower({ a: 'low' })
    const layer = await apply([{ name: '.wh.a' }, { name: 'a', content: 'new' }], { on })
    expect(layer.read('a')).toBe('new')
  })

  test('rule 13: AUFS files are left out, and its links become copies', async () => {
    const layer = await apply(
      [
        { name: '.wh..wh.aufs', content: 'x' },
        { name: '.wh..wh.orph/', type: '5' },
        { name: '.wh..wh.plnk/12.34', content: 'linked', mode: 0o640 },
        { name: 'a', type: '1', link: '.wh..wh.plnk/12.34' },
        { name: 'b', type: '1', link: '/.wh..wh.plnk/12.34' },
      ],
      { asideDir: tempDir() },
    )
    expect(list(layer.root)).toEqual(['a', 'b'])
    expect([layer.read('a'), layer.read('b')]).toEqual(['linked', 'linked'])
    expect(modeOf(layer.path('a'))).toBe(0o640)
    expect(layer.displaced.map((d) => Buffer.from(d.name).toString())).toEqual([
      '.wh..wh.aufs',
      '.wh..wh.plnk/12.34',
    ])
    const unknown = apply([{ name: 'a', type: '1', link: '.wh..wh.plnk/9.9' }], {
      asideDir: tempDir(),
    })
    expect(await codeOf(unknown)).toBe('ERR_INVALID_TAR')
  })

  rootTest('rule 18: a strategy may refuse the device 0:0 (needs root)', async () => {
    const { directoryWhiteouts } = await import('@varve/archive')
    const entry = { name: 'a', type: '3', major: 0, minor: 0 }
    const whiteouts = { ...directoryWhiteouts, allowsDeviceZero: false }
    expect(await codeOf(apply([entry], { whiteouts }))).toBe('ERR_UNSAFE_PATH')
    const layer = await apply([entry])
    expect(fs.lstatSync(layer.path('a')).isCharacterDevice()).toBe(true)
  })
})

describe('replacing', () => {
  test('rule 19: only a directory over a directory merges', async () => {
    const on = lower({ 'd/x': '1', 'e/x': '2', target: null, l: '-> target' })
    fs.writeFileSync(join(on, 'target/kept'), '')
    await apply(
      [
        { name: 'd/', type: '5', mode: 0o700 },
        { name: 'e', type: '2', link: 'd' },
        { name: 'l/', type: '5' },
      ],
      { on },
    )
    expect(list(on)).toEqual(['d/', 'd/x', 'e', 'l/', 'target/', 'target/kept'])
    expect(modeOf(join(on, 'd'))).toBe(0o700)
  })

  test('rule 20: a file replaces a tree, and a symbolic link is never written through', async () => {
    const on = lower({ 'd/e/x': '1', file: '2', out: '-> file' })
    const layer = await apply(
      [
        { name: 'd', content: 'now a file' },
        { name: 'out', content: 'now a file too' },
        { name: 'file/', type: '5' },
        { name: 'file/in', content: '3' },
      ],
      { on },
    )
    expect(list(on)).toEqual(['d', 'file/', 'file/in', 'out'])
    expect(layer.read('out')).toBe('now a file too')
  })

  test('rule 21: a file is always a new inode', async () => {
    const on = lower({ a: 'shared' })
    fs.linkSync(join(on, 'a'), join(on, 'b'))
    const layer = await apply([{ name: 'a', content: 'other' }], { on })
    expect([layer.read('a'), layer.read('b')]).toEqual(['other', 'shared'])
  })

  test('rule 23: of several entries the last one wins', async () => {
    const layer = await apply([
      { name: 'a', content: '1' },
      { name: './a', content: '2', mode: 0o600 },
      { name: 'd/', type: '5', mode: 0o700, mtime: 1 },
      { name: 'd', type: '5', mode: 0o755, mtime: 2 },
    ])
    expect(layer.read('a')).toBe('2')
    expect(modeOf(layer.path('d'))).toBe(0o755)
    expect(fs.statSync(layer.path('d')).mtimeMs).toBe(2000)
  })
})

describe('types', () => {
  test('rule 24: hard links find their target inside the tree, or fail', async () => {
    const on = lower({ 'low/a': 'low', link: '-> low', 'z/in': 'in' })
    const layer = await apply(
      [
        { name: 'x', type: '1', link: '/low/a' },
        { name: 'y', type: '1', link: 'link/a' },
      ],
      { on },
    )
    const ino = fs.statSync(layer.path('low/a')).ino
    expect([fs.statSync(layer.path('x')).ino, fs.statSync(layer.path('y')).ino]).toEqual([ino, ino])
    const targets = { '../x': 'ERR_UNSAFE_PATH', '.': 'ERR_UNSAFE_PATH', '/': 'ERR_UNSAFE_PATH' }
    for (const [link, code] of Object.entries({
      ...targets,
      missing: 'ERR_INVALID_TAR',
      'no/such': 'ERR_INVALID_TAR',
      low: 'ERR_INVALID_TAR',
      z: 'ERR_INVALID_TAR',
      // What it links to would be gone by the time it is made.
      'z/in': 'ERR_INVALID_TAR',
    })) {
      expect(await codeOf(apply([{ name: 'z', type: '1', link }], { on })), link).toBe(code)
    }
  })

  test('rule 25: a hard link sets the shared metadata, but not a symbolic link’s', async () => {
    const layer = await apply([
      { name: 'a', content: 'x', mode: 0o600, mtime: 1 },
      { name: 'b', type: '1', link: 'a', mode: 0o4755, mtime: 2 },
      { name: 's', type: '2', link: 'nowhere', mtime: 3 },
      { name: 't', type: '1', link: 's', mtime: 4 },
    ])
    expect(modeOf(layer.path('a'))).toBe(0o4755)
    expect(fs.statSync(layer.path('a')).mtimeMs).toBe(2000)
    expect(fs.readlinkSync(layer.path('t'))).toBe('nowhere')
    expect(fs.lstatSync(layer.path('s')).ino).toBe(fs.lstatSync(layer.path('t')).ino)
    expect(fs.lstatSync(layer.path('s')).mtimeMs).toBe(3000)
  })

  test('rule 26: symbolic links keep their targets as they are, and have owner and time', async () => {
    const layer = await apply([
      { name: 'a', type: '2', link: '/etc//passwd/../x', mtime: 5, uid: 7, gid: 8 },
    ])
    const stat = fs.lstatSync(layer.path('a'))
    expect(fs.readlinkSync(layer.path('a'))).toBe('/etc//passwd/../x')
    expect(stat.mtimeMs).toBe(5000)
    if (isRoot) expect([stat.uid, stat.gid]).toEqual([7, 8])
  })

  rootTest('rule 27: devices and FIFOs (needs root)', async () => {
    const layer = await apply([
      { name: 'null', type: '3', major: 1, minor: 3, mode: 0o666 },
      { name: 'disk', type: '4', major: 300, minor: 70_000, mode: 0o660 },
      { name: 'pipe', type: '6', mode: 0o622 },
    ])
    expect(fs.lstatSync(layer.path('null')).isCharacterDevice()).toBe(true)
    expect(fs.lstatSync(layer.path('pipe')).isFIFO()).toBe(true)
    expect(modeOf(layer.path('pipe'))).toBe(0o622)
    const stat = sys.native?.statIfAny(AT.FDCWD, Buffer.from(layer.path('disk')))
    expect([stat?.rdevMajor, stat?.rdevMinor]).toEqual([300, 70_000])
  })

  test('rule 28: a sparse file has its logical content and holes', async () => {
    const map = '2\n0\n4\n1048576\n3\n'
    const body = Buffer.concat([Buffer.from(map.padEnd(512, '\0')), Buffer.from('headend')])
    const layer = await apply([
      {
        name: 'GNUSparseFile.0/s',
        content: body,
        pax: {
          'GNU.sparse.major': '1',
          'GNU.sparse.minor': '0',
          'GNU.sparse.name': 's',
          'GNU.sparse.realsize': String(64 * 2 ** 20),
        },
      },
    ])
    const stat = fs.statSync(layer.path('s'))
    expect(stat.size).toBe(64 * 2 ** 20)
    expect(stat.blocks * 512).toBeLessThan(2 ** 20)
    expect(layer.size).toBe(64 * 2 ** 20)
    const fd = fs.openSync(layer.path('s'), 'r')
    const part = Buffer.alloc(4)
    fs.readSync(fd, part, 0, 4, 1048575)
    fs.closeSync(fd)
    expect(part.toString('latin1')).toBe('\0end')
  })

  test('rule 29: global headers make nothing; other types are an error', async () => {
    const global = { name: 'x/pax_global_header', type: 'g', content: '13 comment=x\n' }
    const layer = await apply([global, { name: 'a', content: '1' }])
    expect(list(layer.root)).toEqual(['a'])
    for (const type of ['7', 'D', 'M', 'V', 'Z']) {
      expect(await codeOf(apply([{ name: 'a', type }])), type).toBe('ERR_INVALID_TAR')
    }
  })

  test('rule 30: a size on what has no payload means no data', async () => {
    const layer = await apply([
      { name: 'd/', type: '5', size: 1000 },
      { name: 'f', content: 'x' },
      { name: 'l', type: '1', link: 'f', size: 5000 },
    ])
    expect(list(layer.root)).toEqual(['d/', 'f', 'l'])
    expect(layer.size).toBe(6001)
  })
})

describe('metadata', () => {
  rootTest('rule 31: owner first, set-id bits survive it (needs root)', async () => {
    const layer = await apply([
      { name: 'su', content: 'x', mode: 0o6755, uid: 1, gid: 2 },
      { name: 'sticky/', type: '5', mode: 0o1705, uid: 1, gid: 2 },
      { name: 'ro', content: 'x', mode: 0o4222, uid: 3, gid: 4 },
    ])
    expect(modeOf(layer.path('su'))).toBe(0o6755)
    expect(modeOf(layer.path('sticky'))).toBe(0o1705)
    expect(modeOf(layer.path('ro'))).toBe(0o4222)
    const { uid, gid } = fs.statSync(layer.path('su'))
    expect([uid, gid]).toEqual([1, 2])
  })

  rootTest(
    'rule 31: a set-group-id directory does not give its group away (needs root)',
    async () => {
      const layer = await apply([
        { name: 'd/', type: '5', mode: 0o2755, gid: 99 },
        { name: 'd/f', content: 'x' },
        { name: 'd/e/', type: '5', mode: 0o755 },
      ])
      expect(fs.statSync(layer.path('d/f')).gid).toBe(0)
      expect(fs.statSync(layer.path('d/e')).gid).toBe(0)
      expect(modeOf(layer.path('d/e'))).toBe(0o755)
    },
  )

  test('rule 33: modes are those of the tar whatever the umask', () => {
    const root = applyUnderMask('077', [
      { name: 'f', content: '', mode: 0o666 },
      { name: 'd/', type: '5', mode: 0o777 },
    ])
    expect([modeOf(join(root, 'f')), modeOf(join(root, 'd'))]).toEqual([0o666, 0o777])
  })

  ffiTest('rule 34: times to the nanosecond, bad ones are 0 (needs the FFI)', async () => {
    const layer = await apply([
      { name: 'f', content: '', pax: { mtime: '1600000000.123456789', atime: '1600000001.5' } },
      { name: 'early', content: '', pax: { mtime: '-5' } },
      { name: 'late', content: '', pax: { mtime: '99999999999999' } },
      { name: 'old-atime', content: '', pax: { mtime: '1600000000', atime: '5' } },
    ])
    const stat = (name: string) => timesNs(layer.path(name))
    expect(stat('f').mtimeNs).toBe(1_600_000_000_123_456_789n)
    expect(stat('f').atimeNs).toBe(1_600_000_001_500_000_000n)
    expect(stat('early').mtimeNs).toBe(0n)
    expect(stat('late').mtimeNs).toBe(0n)
    expect(stat('old-atime').atimeNs).toBe(1_600_000_000_000_000_000n)
  })

  test('rule 35: directories get their times in the end; one removed again does no harm', async () => {
    const layer = await apply([
      { name: 'd/', type: '5', mtime: 10 },
      { name: 'gone/in/', type: '5', mtime: 11 },
      { name: 'd/x', content: '' },
      { name: 'gone', content: 'a file now' },
    ])
    expect(fs.statSync(layer.path('d')).mtimeMs).toBe(10_000)
    expect(layer.read('gone')).toBe('a file now')
  })

  rootTest('rule 36: extended attributes, any bytes (needs root)', async () => {
    const value = Uint8Array.from([0, 1, 255, 10, 61])
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex')
    const layer = await apply([
      {
        name: 'f',
        content: 'x',
        uid: 5,
        mode: 0o755,
        pax: {
          'SCHILY.xattr.user.bin': value,
          'SCHILY.xattr.security.capability': capability,
          'LIBARCHIVE.xattr.user.other': 'eA==',
        },
      },
      { name: 's', type: '2', link: 'f', pax: { 'SCHILY.xattr.trusted.x': 'on a link' } },
    ])
    const get = (name: string, key: string) =>
      sys.native?.getxattr(AT.FDCWD, Buffer.from(layer.path(name)), Buffer.from(key))
    expect(Buffer.from(get('f', 'user.bin') ?? [])).toEqual(Buffer.from(value))
    expect(Buffer.from(get('f', 'security.capability') ?? [])).toEqual(capability)
    expect(get('f', 'user.other')).toBeUndefined()
    expect(Buffer.from(get('s', 'trusted.x') ?? []).toString()).toBe('on a link')
  })

  rootTest('rule 19: merged metadata has no attributes of before (needs root)', async () => {
    const on = tempDir()
    await apply([{ name: 'd/', type: '5', pax: { 'SCHILY.xattr.user.old': '1' } }], { on })
    await apply([{ name: 'd/', type: '5', pax: { 'SCHILY.xattr.user.new': '2' } }], { on })
    const names = sys.native?.listxattr(AT.FDCWD, Buffer.from(join(on, 'd'))) ?? []
    expect(names.map((n) => Buffer.from(n).toString())).toEqual(['user.new'])
  })

  test('rule 37: an attribute that cannot be kept is counted, not fatal', async () => {
    const layer = await apply([
      { name: 's', type: '2', link: 'x', pax: { 'SCHILY.xattr.user.on-a-link': '1' } },
    ])
    expect(layer.omitted.xattrs).toBe(1)
  })

  rootTest(
    'rule 39: owners are mapped, one without counterpart is an error (needs root)',
    async () => {
      const mapOwner = (uid: number, gid: number) =>
        uid < 10 ? ([uid + 1000, gid + 1000] as const) : undefined
      const layer = await apply([{ name: 'made/f', content: '', uid: 1, gid: 2 }], { mapOwner })
      const { uid, gid } = fs.statSync(layer.path('made/f'))
      expect([uid, gid]).toEqual([1001, 1002])
      expect(fs.statSync(layer.path('made')).uid).toBe(1000)
      const unmapped = apply([{ name: 'f', content: '', uid: 11 }], { mapOwner })
      expect(await codeOf(unmapped)).toBe('ERR_INVALID_TAR')
    },
  )
})

describe('accounting and ends', () => {
  test('rule 40: the size is the sum of all headers, whiteouts and replaced files included', async () => {
    const layer = await apply([
      { name: 'a', content: '12345' },
      { name: 'a', content: '123' },
      { name: '.wh.b', content: '1' },
    ])
    expect(layer.size).toBe(9)
    expect(layer.entries).toBe(3)
  })

  test('rule 41: the source is read to its end', async () => {
    let read = 0
    function* source() {
      yield makeTar({ name: 'a', content: '1' })
      for (let i = 0; i < 5; i++) {
        read++
        yield Buffer.from('what follows the archive')
      }
    }
    await applyLayer(tempDir(), source(), { sys })
    expect(read).toBe(5)
  })

  test('rule 42: a truncated or failing source is an error', async () => {
    const tar = makeTar({ name: 'a', content: 'x'.repeat(5000) })
    expect(await codeOf(applyLayer(tempDir(), [tar.subarray(0, 3000)], { sys }))).toBe(
      'ERR_TRUNCATED',
    )
    const failing = async function* () {
      yield tar.subarray(0, 3000)
      throw new Error('the line is dead')
    }
    await expect(applyLayer(tempDir(), failing(), { sys })).rejects.toThrow('the line is dead')
    const controller = new AbortController()
    const aborting = async function* () {
      yield tar.subarray(0, 3000)
      controller.abort()
      yield tar.subarray(3000)
    }
    const aborted = applyLayer(tempDir(), aborting(), { sys, signal: controller.signal })
    expect(await codeOf(aborted)).toBe('ERR_ABORTED')
  })

  test('nothing at all is an empty layer', async () => {
    expect((await applyLayer(tempDir(), [], { sys })).size).toBe(0)
    expect((await applyLayer(tempDir(), [new Uint8Array(1024)], { sys })).size).toBe(0)
  })

  ffiTest('names that are not UTF-8 are kept byte for byte', async () => {
    const name = Buffer.from([0x66, 0xff, 0xfe, 0x2f, 0xe9])
    const layer = await apply([{ name, content: 'x' }])
    using root = openRoot(layer.root, { sys })
    expect(root.list('').map(({ name }) => Buffer.from(name).toString('hex'))).toEqual(['66fffe'])
  })
})
