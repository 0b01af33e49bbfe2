import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { chmod, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ByteSource,
  type CacheID,
  type ChainID,
  collect,
  type Driver,
  digestOf,
  emptyTar,
  LayerError,
  type LayerRecord,
  newCacheID,
  openStore,
} from '@varve/core'
import { erofs, type ImageMethod } from '@varve/driver-erofs'
import { metadataFs } from '@varve/metadata-fs'
import { type TarEntry, tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { canMount, mountsIn, place } from './place.ts'

async function layerOn(driver: Driver, parent: CacheID | undefined, entries: readonly TarEntry[]) {
  const id = newCacheID()
  await driver.create(id, parent === undefined ? {} : { parent })
  await using _applied = await driver.applyDiff(id, parent, [tarOf(entries)])
  return id
}
const whole = (tar: ReadableStream<Uint8Array>) => collect(tar as unknown as ByteSource, 2 ** 26)
const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing',
    (error: unknown) => (LayerError.is(error) ? `${error.code}: ${error.hint}` : String(error)),
  )

describe('without mounts', () => {
  test('layers are kept, checked and given back to the byte, by anybody', async () => {
    await using dir = place(tmpdir())
    await using driver = await erofs({ root: join(dir.path, 'erofs'), mounts: false })
    const base = await layerOn(driver, undefined, [{ name: 'd/f', data: 'x'.repeat(3_000_000) }])
    const top = newCacheID()
    await driver.create(top, { parent: base })
    const tar = Buffer.concat([tarOf([{ name: 'd/.wh.f' }]), Buffer.from('behind the end')])
    await using _applied = await driver.applyDiff(top, base, [tar])
    expect(Buffer.compare(await whole(driver.diff(top, base)), tar)).toBe(0)
    await driver.sync([base, top])
    for (const id of [base, top]) {
      expect(await Array.fromAsync(driver.verify?.(id, []) ?? ['no verify'])).toEqual([])
    }
    expect(await Array.fromAsync(driver.list())).toEqual(expect.arrayContaining([base, top]))
    await driver.remove(top)
    expect(await driver.exists(top)).toBe(false)
  })

  test('what needs the kernel says so, with the way out', async () => {
    await using dir = place(tmpdir())
    await using driver = await erofs({ root: join(dir.path, 'erofs'), mounts: false })
    const base = await layerOn(driver, undefined, [])
    for (const call of [
      () => driver.mount(base),
      () => driver.createReadWrite(newCacheID(), { parent: base }),
      () => driver.diffSize(base),
    ]) {
      expect(await code(call())).toMatch(/^ERR_NOT_SUPPORTED: Run as root/)
    }
  })

  test('a hard link into a layer beneath is found there, and one into nothing is refused', async () => {
    await using dir = place(tmpdir())
    await using driver = await erofs({ root: join(dir.path, 'erofs'), mounts: false })
    const base = await layerOn(driver, undefined, [{ name: 'f', data: 'f' }])
    await layerOn(driver, base, [{ name: 'h', type: 'hardlink', link: 'f' }])
    const wrong = layerOn(driver, base, [{ name: 'h', type: 'hardlink', link: 'g' }])
    expect(await code(wrong)).toMatch(/^ERR_INVALID_TAR/)
  })

  test('a home of somebody else is read, and never changed', async () => {
    await using dir = place(tmpdir())
    const root = join(dir.path, 'erofs')
    await using driver = await erofs({ root, mounts: false })
    const id = await layerOn(driver, undefined, [{ name: 'f', data: 'f' }])
    const before = fs.readdirSync(root, { recursive: true })
    await using reader = await erofs({ root, readOnly: true })
    expect(await whole(reader.diff(id))).toEqual(await whole(driver.diff(id)))
    for (const call of [
      () => reader.create(newCacheID()),
      () => reader.remove(id),
      () => reader.applyDiff(id, undefined, [emptyTar()]),
    ]) {
      expect(await code(call())).toMatch(/^ERR_PERMISSION/)
    }
    expect(fs.readdirSync(root, { recursive: true })).toEqual(before)
  })

  test('a layer is applied once', async () => {
    await using dir = place(tmpdir())
    await using driver = await erofs({ root: join(dir.path, 'erofs'), mounts: false })
    const id = await layerOn(driver, undefined, [{ name: 'f', data: 'f' }])
    expect(await code(driver.applyDiff(id, undefined, [emptyTar()]))).toMatch(/^ERR_LAYER_IN_USE/)
  })

  test('a store finds every byte that was changed behind its back', async () => {
    await using dir = place(tmpdir())
    const driver = await erofs({ root: join(dir.path, 'erofs'), mounts: false })
    const metadata = await metadataFs({ root: join(dir.path, 'layerdb') })
    await using store = await openStore({ driver, metadata })
    const tar = tarOf([{ name: 'd/f', data: 'x'.repeat(5000) }])
    await using _layer = await store.register([tar])
    const [id] = await Array.fromAsync(driver.list())
    const file = join(dir.path, 'erofs', id as string, 'layer.erofs')
    await chmod(file, 0o600)
    const bytes = await readFile(file)
    const problems = async () =>
      (await Array.fromAsync(store.check({ full: true }))).map(({ kind }) => kind)
    expect(await problems()).toEqual([])
    // In the header, the tar, an inode and a directory.
    for (const at of [1030, 4096 + 600, 4096 + tar.length + 40, bytes.length - 10]) {
      const altered = Buffer.from(bytes)
      altered[at] = (altered[at] ?? 0) ^ 1
      await writeFile(file, altered)
      expect(await problems()).not.toEqual([])
    }
    await truncate(file, bytes.length - 512)
    expect(await problems()).not.toEqual([])
    await writeFile(file, bytes)
    expect(await problems()).toEqual([])
  })

  test('a damaged layer is made anew, the very file that layers above point into', async () => {
    // In memory, where there is no fs-verity.
    await using dir = place()
    const root = join(dir.path, 'erofs')
    const openAll = async () =>
      openStore({
        driver: await erofs({ root, mounts: false }),
        metadata: await metadataFs({ root: join(dir.path, 'layerdb') }),
      })
    const tars = [
      tarOf([
        { name: 'd/f', data: 'x'.repeat(5000), xattrs: { 'user.a': 'same' } },
        { name: 'd/g', data: 'g', xattrs: { 'user.a': 'same' }, mtime: 1_234_567 },
        { name: 'd/h', type: 'hardlink', link: 'd/g' },
        { name: 's', type: 'symlink', link: 'd/f' },
      ]),
      tarOf([
        { name: 'd/.wh.f' },
        { name: 'z', data: 'z'.repeat(700) },
        { name: 'd/b/c', data: '' },
      ]),
      tarOf([
        { name: 'd/b/e', data: 'e' },
        { name: 'a', data: 'a' },
      ]),
    ]
    const ids: CacheID[] = []
    {
      await using store = await openAll()
      let parent: ChainID | undefined
      for (const tar of tars) {
        const layer = await store.register([tar], parent === undefined ? {} : { parent })
        parent = layer.chainID
        ids.push(layer.cacheID)
      }
    }
    await using store = await openAll()
    const sources = async function* ({ diffID }: LayerRecord) {
      for (const tar of tars) if (digestOf(tar) === diffID) yield [tar]
    }
    const repair = () => Array.fromAsync(store.check({ full: true, repair: true, sources }))
    const files = ids.map((id) => join(root, id, 'layer.erofs'))
    const before = await Promise.all(files.map((file) => readFile(file)))
    const damages = [
      (file: string, bytes: Buffer) => writeFile(file, flipped(bytes, 4096 + 600)),
      (file: string, bytes: Buffer) => writeFile(file, flipped(bytes, bytes.length - 10)),
      (file: string, bytes: Buffer) => writeFile(file, flipped(bytes, 1030)),
      (file: string) => rm(file),
      (file: string) => writeFile(file.replace(/erofs$/, 'sum'), 'nonsense'),
    ]
    for (const [at, file] of files.entries()) {
      for (const damage of damages) {
        await chmod(file, 0o600)
        await damage(file, before[at] as Buffer)
        const found = await repair()
        expect(found.length).toBeGreaterThan(0)
        expect(found.filter(({ repaired }) => !repaired)).toEqual([])
        expect(await repair()).toEqual([])
        expect((await readFile(file)).equals(before[at] as Buffer)).toBe(true)
      }
    }
    // All of them at once.
    for (const [at, file] of files.entries()) {
      await chmod(file, 0o600)
      await writeFile(file, flipped(before[at] as Buffer, 4096 + 100))
    }
    expect((await repair()).map(({ repaired }) => repaired)).toEqual([true, true, true])
    expect(await repair()).toEqual([])
    expect((await Array.fromAsync(store.driver.list())).sort()).toEqual([...ids].sort())
    // One that was under fs-verity is not replaced by one that is not.
    const [top, whole] = [files[2] as string, before[2] as Buffer]
    await writeFile(top.replace(/erofs$/, 'verity'), 'a digest')
    await chmod(top, 0o600)
    await writeFile(top, flipped(whole, 4096 + 100))
    const [kept] = await repair()
    expect(kept?.message).toMatch(/not restored: .*fs-verity/)
  })
})

/** The bytes with one of them changed. */
function flipped(bytes: Buffer, at: number): Buffer {
  const altered = Buffer.from(bytes)
  altered[at] = (altered[at] ?? 0) ^ 1
  return altered
}

describe.skipIf(!canMount)('mounted (needs root)', () => {
  const erofsMounts = (path: string) =>
    fs
      .readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(` ${path}/`) && line.includes(' - erofs ')).length

  test('a deep chain is one mount, shared by the read-write layers on it', async () => {
    await using dir = place()
    await using driver = await erofs({ root: join(dir.path, 'erofs') })
    let top: CacheID | undefined
    for (let i = 0; i < 20; i++) top = await layerOn(driver, top, [{ name: `f${i}`, data: `${i}` }])
    const layers = [newCacheID(), newCacheID()] as const
    for (const id of layers) await driver.createReadWrite(id, { parent: top as CacheID })
    {
      await using one = await driver.mount(layers[0])
      await using two = await driver.mount(layers[1])
      await writeFile(join(one.path, 'own'), 'own')
      expect(await readFile(join(two.path, 'f0'), 'utf8')).toBe('0')
      expect(fs.existsSync(join(two.path, 'own'))).toBe(false)
      expect(erofsMounts(dir.path)).toBe(1)
    }
    expect(mountsIn(dir.path)).toEqual([])
  })

  test('a layer is restored beneath a read-write layer, once that is not mounted', async () => {
    await using dir = place()
    const root = join(dir.path, 'erofs')
    const tar = tarOf([{ name: 'f', data: 'x'.repeat(5000) }])
    const openAll = async () =>
      openStore({
        driver: await erofs({ root }),
        metadata: await metadataFs({ root: join(dir.path, 'layerdb') }),
      })
    await using store = await openAll()
    await using layer = await store.register([tar])
    await using above = await store.register([tarOf([{ name: 'g', data: 'g' }])], {
      parent: layer.chainID,
    })
    const rw = await store.createRW('rw', { parent: above.chainID })
    const file = join(root, layer.cacheID, 'layer.erofs')
    await chmod(file, 0o600)
    await writeFile(file, flipped(await readFile(file), 4096 + 600))
    const sources = async function* () {
      yield [tar]
    }
    const repair = async () =>
      (await Array.fromAsync(store.check({ full: true, repair: true, sources }))).map(
        ({ repaired }) => repaired,
      )
    {
      await using mount = await rw.mount()
      expect(await readFile(join(mount.path, 'f'), 'utf8')).toContain('y')
      expect(await repair()).toEqual([false])
    }
    expect(await repair()).toEqual([true])
    await using mount = await rw.mount()
    expect(await readFile(join(mount.path, 'f'), 'utf8')).toBe('x'.repeat(5000))
    expect(await readFile(join(mount.path, 'g'), 'utf8')).toBe('g')
    expect(await repair()).toEqual([])
  })

  test('where there is fs-verity the kernel refuses altered data, elsewhere it is said', async () => {
    await using dir = place(tmpdir())
    const root = join(dir.path, 'erofs')
    await using driver = await erofs({ root, verity: true })
    const id = newCacheID()
    await driver.create(id)
    const applied = await code(driver.applyDiff(id, undefined, [emptyTar()]))
    if (applied !== 'nothing') {
      expect(applied).toMatch(/^ERR_NOT_SUPPORTED: Use ext4 made with -O verity/)
      expect(fs.readdirSync(join(root, id))).not.toContain('layer.erofs')
      return
    }
    const file = join(root, id, 'layer.erofs')
    expect(() => fs.writeFileSync(file, 'altered')).toThrow(/EPERM/)
    await (await driver.mount(id))[Symbol.asyncDispose]()
    const bytes = fs.readFileSync(file)
    fs.rmSync(file)
    fs.writeFileSync(file, bytes)
    expect(await code(driver.mount(id))).toMatch(/^ERR_CORRUPT_LAYER/)
  })

  test('an image is not mounted if it should be under fs-verity and is not (needs root)', async () => {
    await using dir = place(tmpdir())
    const root = join(dir.path, 'erofs')
    await using driver = await erofs({ root })
    const id = await layerOn(driver, undefined, [])
    fs.writeFileSync(join(root, id, 'layer.verity'), '0'.repeat(64))
    expect(await code(driver.mount(id))).toMatch(/^ERR_CORRUPT_LAYER/)
  })

  test('an overlay keeps its image after all that mounted it are gone', async () => {
    await using dir = place()
    const root = join(dir.path, 'erofs')
    const driver = await erofs({ root })
    const base = await layerOn(driver, undefined, [{ name: 'f', data: 'content' }])
    const id = newCacheID()
    await driver.createReadWrite(id, { parent: base })
    const mount = await driver.mount(id, { keep: true })
    await mount[Symbol.asyncDispose]()
    await driver[Symbol.asyncDispose]()
    expect(await readFile(join(mount.path, 'f'), 'utf8')).toBe('content')
    await using again = await erofs({ root })
    await writeFile(join(mount.path, 'g'), 'g')
    expect((await Array.fromAsync(again.changes(id, base))).map(({ path }) => path)).toEqual(['/g'])
    expect(await again.unmount?.(id)).toBe(0)
    expect(mountsIn(dir.path)).toEqual([])
  })

  test.each<ImageMethod>(['files', 'loop'])(
    'images are mounted by method %s, and nothing is left',
    async (imageMethod) => {
      await using dir = place(tmpdir())
      const root = join(dir.path, 'erofs')
      let driver: Driver
      try {
        driver = await erofs({ root, imageMethod })
      } catch (error) {
        // A tmpfs, or a kernel before 6.12.
        if (imageMethod === 'files' && LayerError.is(error, 'ERR_NOT_SUPPORTED')) return
        throw error
      }
      const base = await layerOn(driver, undefined, [{ name: 'a', data: 'x'.repeat(100_000) }])
      const top = await layerOn(driver, base, [{ name: 'b', type: 'hardlink', link: 'a' }])
      {
        await using mount = await driver.mount(top)
        expect((await readFile(join(mount.path, 'b'), 'utf8')).length).toBe(100_000)
        expect(fs.statSync(join(mount.path, 'a')).nlink).toBe(2)
      }
      await driver[Symbol.asyncDispose]()
      expect(mountsIn(dir.path)).toEqual([])
      for (let i = 0; i < 1000; i++) {
        if (!execFileSync('losetup', ['-a'], { encoding: 'utf8' }).includes(dir.path)) return
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      throw new Error('a loop device is left')
    },
  )
})
