/** The layout of Docker's home, what was wrong in Docker 1.11, and what only Windows has. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { newCacheID } from '@varve/core'
import { emulatedFs, emulatedHcs, windows } from '@varve/driver-windows'
import type { Privileges } from '@varve/sys'
import { tarOf } from '@varve/testkit'
import { afterAll, describe, expect, test } from 'vitest'
import { allOf } from '../../testkit/src/expect.ts'
import { BASE, bed, bytesOf, layer, payload, sandbox, UPPER } from './beds.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map((path) => rm(path, { recursive: true, force: true }))))

/** An empty one, gone at the end. */
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'varve-windows-'))
  folders.push(path)
  return path
}

describe('the home', () => {
  test('has chains in the very bytes that Docker writes', async () => {
    await using one = await bed()
    const base = await layer(one.driver, BASE)
    const top = await layer(one.driver, UPPER, base)
    const file = (id: string) => join(one.root, id, 'layerchain.json')
    expect(readFileSync(file(base), 'utf8')).toBe('null')
    expect(readFileSync(file(top), 'utf8')).toBe(JSON.stringify([join(one.root, base)]))
    expect(statSync(file(top)).mode & 0o777).toBe(0o600)
  })

  test('is read whichever way the other name of a layer is spelled', async () => {
    await using one = await bed()
    const image = await layer(one.driver, BASE)
    for (const name of ['layerId', 'layerID']) {
      const id = newCacheID()
      mkdirSync(join(one.root, id))
      writeFileSync(join(one.root, id, name), image)
      expect(await one.driver.exists(id)).toBe(true)
      expect(await payload(one.driver, id, 'Files/d/b.txt', 2)).toBe('bb')
    }
    const bad = newCacheID()
    mkdirSync(join(one.root, bad))
    writeFileSync(join(one.root, bad, 'layerId'), '../../elsewhere')
    await expect(one.driver.exists(bad)).rejects.toMatchObject({ code: 'ERR_CORRUPT_METADATA' })
  })

  test('on ReFS is refused', async () => {
    const fs = { ...emulatedFs(), fileSystemOf: async () => 'ReFS' }
    const root = await folder()
    await expect(windows({ root, ports: { fs } })).rejects.toMatchObject({
      code: 'ERR_NOT_SUPPORTED',
    })
  })
})

test('base images of the machine become layers named by SHA-384 of their folder', async () => {
  const images = await folder()
  await using one = await bed({ baseImages: [join(images, 'nanoserver')] })
  const [image] = await one.driver.baseImages()
  expect(image).toMatchObject({ name: 'nanoserver', path: join(images, 'nanoserver') })
  // printf nanoserver | sha384sum | cut -c1-64
  expect(image?.id).toBe('91faafbbeaeeb4f6f467d078dc927db7e746ab8725dcf39e00ef0059f52aa37e')
  expect(readFileSync(join(one.root, image?.id ?? '', 'layerId'), 'utf8')).toBe('nanoserver')
  expect(await one.driver.baseImages()).toHaveLength(1)
})

describe('what was wrong in Docker 1.11 is not', () => {
  test('a base layer asks for no parent’s path', async () => {
    await using one = await bed({ compat: 'v1.11' })
    const id = newCacheID()
    await one.driver.create(id)
    one.calls()
    await (await one.driver.applyDiff(id, undefined, [BASE]))[Symbol.asyncDispose]()
    expect(one.calls().some((call) => call.startsWith('GetLayerMountPath'))).toBe(false)
  })

  test('the size of what a read-write layer changes is that of its files', async () => {
    await using one = await bed({ compat: 'v1.11' })
    const base = await layer(one.driver, BASE)
    const id = await sandbox(one.driver, base)
    {
      await using mount = await one.driver.mount(id)
      writeFileSync(join(mount.path, 'new.txt'), 'x'.repeat(1234))
    }
    expect(await one.driver.diffSize(id, base)).toBe(1234)
  })

  test('what is added is told from what is modified', async () => {
    await using one = await bed()
    const base = await layer(one.driver, BASE)
    const id = await sandbox(one.driver, base)
    {
      await using mount = await one.driver.mount(id)
      writeFileSync(join(mount.path, 'a.txt'), 'changed')
      writeFileSync(join(mount.path, 'd/new.txt'), 'new')
    }
    const changes = await allOf(one.driver.changes(id, base))
    expect(changes.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'modify /Files/a.txt',
      'modify /Files/d',
      'add /Files/d/new.txt',
    ])
  })

  test('changes of a layer with another name are read from the layer, not the name', async () => {
    await using one = await bed({ compat: 'v1.11' })
    const base = await layer(one.driver, BASE)
    const top = await layer(one.driver, UPPER, base)
    const alias = newCacheID()
    mkdirSync(join(one.root, alias))
    writeFileSync(join(one.root, alias, 'layerId'), top)
    expect(await allOf(one.driver.changes(alias, base))).toEqual(
      await allOf(one.driver.changes(top, base)),
    )
  })
})

test('a home that is open to read only is read and not changed', async () => {
  await using one = await bed()
  const base = await layer(one.driver, BASE)
  await using driver = await windows({ root: one.root, readOnly: true })
  expect(await payload(driver, base, 'Files/a.txt', 1)).toBe('a')
  const code = { code: 'ERR_PERMISSION' }
  await expect(driver.create(newCacheID())).rejects.toMatchObject(code)
  await expect(driver.remove(base)).rejects.toMatchObject(code)
  expect(await driver.exists(base)).toBe(true)
})

describe('a layer’s files', () => {
  test('keep alternate streams, and give them as payloads', async () => {
    await using one = await bed()
    const tar = tarOf([
      { name: 'Files/' },
      { name: 'Files/a', data: 'main' },
      { name: 'Files/a:one', data: 'stream' },
      { name: 'Files/d/' },
      { name: 'Files/d:two', data: 'of a directory' },
    ])
    const id = await layer(one.driver, tar)
    for (const [name, text] of [
      ['Files/a', 'main'],
      ['Files/a:one', 'stream'],
      ['Files/d:two', 'of a directory'],
    ] as const) {
      expect(await payload(one.driver, id, name, text.length)).toBe(text)
    }
    const again = await layer(one.driver, await bytesOf(one.driver.diff(id)))
    expect(await payload(one.driver, again, 'Files/d:two', 14)).toBe('of a directory')
    expect(await bytesOf(one.driver.diff(again))).toEqual(await bytesOf(one.driver.diff(id)))
  })

  test('and streams of files that came twice are kept aside', async () => {
    await using one = await bed()
    const id = newCacheID()
    await one.driver.create(id)
    const tar = tarOf([
      { name: 'Files/a', data: 'main' },
      { name: 'Files/a:one', data: 'stream' },
      { name: 'Files/a', data: 'other' },
    ])
    await using applied = await one.driver.applyDiff(id, undefined, [tar])
    const names = applied.displaced.map(({ name, size }) => `${Buffer.from(name)} ${size}`)
    expect(names.sort()).toEqual(['Files/a 4', 'Files/a:one 6'])
  })

  test('outside Files, Hives and UtilityVM, and streams of nothing, are refused', async () => {
    await using one = await bed()
    for (const name of [
      'etc/passwd',
      'Files/../x',
      'Files/a:stream',
      'layerchain.json',
      '/Files/x',
    ]) {
      const id = newCacheID()
      await one.driver.create(id)
      const applied = one.driver.applyDiff(id, undefined, [tarOf([{ name, data: 'x' }])])
      await expect(applied, name).rejects.toMatchObject({ code: 'ERR_UNSAFE_PATH' })
    }
  })

  test('hives are kept, and told as they are', async () => {
    await using one = await bed()
    const base = await layer(one.driver, BASE)
    const tar = tarOf([
      { name: 'Files/' },
      { name: 'Hives/' },
      { name: 'Hives/System_Delta', data: 'regf' },
    ])
    const top = await layer(one.driver, tar, base)
    expect(await payload(one.driver, top, 'Hives/System_Delta', 4)).toBe('regf')
    const copy = await layer(one.driver, await bytesOf(one.driver.diff(top, base)), base)
    expect(await payload(one.driver, copy, 'Hives/System_Delta', 4)).toBe('regf')
  })

  test('a link to a directory takes no files', async () => {
    await using one = await bed()
    const base = await layer(one.driver, BASE)
    for (const parent of [undefined, base]) {
      const id = newCacheID()
      await one.driver.create(id, parent === undefined ? {} : { parent })
      const tar = tarOf([
        { name: 'Files/link', type: 'symlink', link: '/etc' },
        { name: 'Files/link/passwd', data: 'x' },
      ])
      await expect(one.driver.applyDiff(id, parent, [tar])).rejects.toMatchObject({
        code: 'ERR_INVALID_TAR',
      })
    }
  })
})

describe('the utility virtual machine', () => {
  const BOOT = 'UtilityVM/Files/EFI/Microsoft/Boot'
  const tar = tarOf([
    { name: 'Files/' },
    { name: 'UtilityVM/' },
    { name: 'UtilityVM/Files/' },
    { name: `${BOOT}/BCD`, data: 'boot' },
    { name: 'UtilityVM/Files/other', data: 'other' },
  ])

  test('has its boot configuration kept as it came, for the tar', async () => {
    await using one = await bed()
    const id = await layer(one.driver, tar)
    const bcd = join(one.root, id, BOOT, 'BCD')
    expect(readFileSync(bcd, 'utf8')).toBe('processed boot')
    expect(readFileSync(join(one.root, id, 'bcd.bak'), 'utf8')).toBe('boot')
    expect(await payload(one.driver, id, `${BOOT}/BCD`, 4)).toBe('boot')
  })

  test('is shared with the layer above, but for what is changed in place', async () => {
    await using one = await bed()
    const base = await layer(one.driver, tar)
    const upper = tarOf([{ name: 'Files/' }, { name: 'UtilityVM/Files/new', data: 'new' }])
    const top = await layer(one.driver, upper, base)
    const at = (id: string, name: string) => join(one.root, id, name)
    expect(readFileSync(at(top, 'UtilityVM/Files/new'), 'utf8')).toBe('new')
    const inode = (id: string, name: string) => statSync(at(id, name)).ino
    expect(inode(top, 'UtilityVM/Files/other')).toBe(inode(base, 'UtilityVM/Files/other'))
    expect(inode(top, `${BOOT}/BCD`)).not.toBe(inode(base, `${BOOT}/BCD`))
    expect(readFileSync(at(base, `${BOOT}/BCD`), 'utf8')).toBe('processed boot')
    expect(readFileSync(at(top, `${BOOT}/BCD`), 'utf8')).toBe('processed processed boot')
  })
})

describe('links', () => {
  test('lead to files of layers beneath, and stay when those are replaced', async () => {
    await using one = await bed()
    const base = await layer(one.driver, BASE)
    const tar = tarOf([
      { name: 'Files/link', type: 'hardlink', link: 'Files/a.txt' },
      { name: 'Files/a.txt', data: 'replaced' },
      { name: 'Files/own', data: 'own' },
      { name: 'Files/second', type: 'hardlink', link: 'Files/own' },
      { name: 'Files/own', data: 'anew' },
    ])
    const top = await layer(one.driver, tar, base)
    expect(await payload(one.driver, top, 'Files/link', 1)).toBe('a')
    expect(await payload(one.driver, top, 'Files/a.txt', 8)).toBe('replaced')
    expect(await payload(one.driver, top, 'Files/second', 3)).toBe('own')
    expect(await payload(one.driver, top, 'Files/own', 4)).toBe('anew')
  })
})

test('the fourth preview: what it exports goes into a tar as it is, and back', async () => {
  await using one = await bed({ compat: 'v1.11', tp4: true })
  const image = await bed({ compat: 'v1.11' })
  await using _ = image
  const base = newCacheID()
  await one.driver.create(base)
  await (await one.driver.applyDiff(base, undefined, [tarOf([])]))[Symbol.asyncDispose]()
  const rw = await sandbox(one.driver, base)
  {
    await using mount = await one.driver.mount(rw)
    mkdirSync(join(mount.path, 'd'))
    writeFileSync(join(mount.path, 'd/file'), 'content')
  }
  const tar = await bytesOf(one.driver.diff(rw, base))
  const top = await layer(one.driver, tar, base)
  expect(readFileSync(join(one.root, top, 'Files/d/file'), 'utf8')).toBe('content')
  // A payload is what the tar holds: the backup stream.
  expect(await payload(one.driver, top, 'Files/d/file', 27)).toContain('content')
})

test('files are read and written with the privileges for it, which end with the work', async () => {
  const held: string[] = []
  const seen: string[] = []
  const privileges: Privileges = {
    async with(names, work) {
      held.push(...names)
      seen.push(names.join())
      try {
        return await work()
      } finally {
        held.splice(0, names.length)
      }
    },
  }
  await using one = await bed({ ports: { privileges } })
  const base = await layer(one.driver, BASE)
  expect(seen).toEqual(['SeSecurityPrivilege,SeBackupPrivilege,SeRestorePrivilege'])
  const reader = one.driver.diff(base).getReader()
  await reader.read()
  expect(held).toEqual(['SeBackupPrivilege'])
  await reader.cancel()
  expect(held).toEqual([])
  await payload(one.driver, base, 'Files/a.txt', 1)
  expect(seen.slice(1)).toEqual(['SeBackupPrivilege', 'SeBackupPrivilege'])

  const refusing: Privileges = { with: () => Promise.reject(new RangeError('not held')) }
  await using other = await windows({ root: one.root, ports: { privileges: refusing } })
  await expect(bytesOf(other.diff(base))).rejects.toMatchObject({ code: 'ERR_IO' })
})

test('windowsdiff unpacks a layer into its home', async () => {
  await using one = await bed({ compat: 'v1.11', flavour: 'diff' })
  expect(one.driver.name).toBe('windowsdiff')
  const id = newCacheID()
  await one.driver.create(id)
  const tar = tarOf([{ name: `${id}/disk.vhdx`, data: 'disk' }])
  await using applied = await one.driver.applyDiff(id, undefined, [tar])
  expect(applied.size).toBe(4)
  expect(readFileSync(join(one.root, id, 'disk.vhdx'), 'utf8')).toBe('disk')
})

test('the service is strict about the order of calls and about chains', async () => {
  const hcs = emulatedHcs()
  const homeDir = await folder()
  const info = { flavour: 1, homeDir } as const
  await hcs.createLayer(info, 'base', '')
  const guid = await hcs.nameToGuid('base')
  const chain = [{ guid, path: join(homeDir, 'base') }]
  await hcs.createSandboxLayer(info, 'rw', undefined, chain)
  const invalid = { hresult: 0xc0370105 }
  await expect(hcs.prepareLayer(info, 'rw', chain)).rejects.toMatchObject(invalid)
  await expect(hcs.deactivateLayer(info, 'rw')).rejects.toMatchObject(invalid)
  await hcs.activateLayer(info, 'rw')
  await expect(hcs.activateLayer(info, 'rw')).rejects.toMatchObject(invalid)
  await expect(hcs.unprepareLayer(info, 'rw')).rejects.toMatchObject(invalid)
  await expect(hcs.destroyLayer(info, 'rw')).rejects.toMatchObject({ hresult: 0x80070020 })
  const wrong = [{ guid: new Uint8Array(16), path: join(homeDir, 'base') }]
  await expect(hcs.prepareLayer(info, 'rw', wrong)).rejects.toMatchObject({ status: 87 })
  await hcs.prepareLayer(info, 'rw', chain)
  await expect(hcs.exportLayer(info, 'rw', join(homeDir, 'x'), chain)).rejects.toMatchObject(
    invalid,
  )
  await expect(hcs.createLayer(info, 'base', '')).rejects.toMatchObject({ status: 183 })
  expect(basename(await hcs.getLayerMountPath(info, 'base'))).toBe('base')
})

describe('the size of a read-write layer', () => {
  test.for([
    ['20G', 20n * 2n ** 30n],
    ['1.5tb', 3n * 2n ** 39n],
    ['30GiB', 30n * 2n ** 30n],
    ['21474836480', 20n * 2n ** 30n],
  ] as const)('%s', async ([size, bytes]) => {
    await using one = await bed()
    const base = await layer(one.driver, BASE)
    one.calls()
    await one.driver.createReadWrite(newCacheID(), { parent: base, storageOptions: { SIZE: size } })
    const [call] = one.calls().filter((name) => name.startsWith('ExpandSandboxSize'))
    expect(call).toMatch(new RegExp(` ${bytes}$`))
  })

  test('is 127 GB if nobody says one, and no nonsense', async () => {
    await using one = await bed()
    const base = await layer(one.driver, BASE)
    const id = await sandbox(one.driver, base)
    const all = String(127n * 2n ** 30n)
    const disk: unknown = JSON.parse(readFileSync(join(one.root, id, 'sandbox.vhdx'), 'utf8'))
    expect(disk).toMatchObject({ size: all, fileSystem: all })
    for (const size of ['', 'x', '-1G', '0', '9'.repeat(30)]) {
      const made = one.driver.createReadWrite(newCacheID(), {
        parent: base,
        storageOptions: { size },
      })
      await expect(made, size).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    }
  })
})
