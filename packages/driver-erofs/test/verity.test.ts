import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import {
  type CacheID,
  type ChainID,
  type Driver,
  digestOf,
  LayerError,
  type LayerRecord,
  newCacheID,
  openStore,
} from '@varve/core'
import { type ErofsOptions, erofs } from '@varve/driver-erofs'
import { metadataFs } from '@varve/metadata-fs'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { measure, putUnderVerity, type VerityDisk, verityDisk, whyNoVerity } from './verity-disk.ts'

const SECRET = 'what nobody may alter'
const CONTENT = 'x'.repeat(6000) + SECRET + 'y'.repeat(6000)
const TARS = [
  tarOf([{ name: 'f', data: CONTENT }]),
  tarOf([{ name: 'g', data: 'g'.repeat(5000) }]),
] as const

/** Two layers and a read-write one on them, all of a driver. */
async function layersOf(driver: Driver) {
  const [base, top, rw] = [newCacheID(), newCacheID(), newCacheID()]
  await driver.create(base)
  await using _base = await driver.applyDiff(base, undefined, [TARS[0]])
  await driver.create(top, { parent: base })
  await using _top = await driver.applyDiff(top, base, [TARS[1]])
  await driver.createReadWrite(rw, { parent: top })
  await driver.sync([base, top])
  return { base, top, rw }
}

const codeOf = async (promise: Promise<unknown>) =>
  await promise.then(
    () => undefined,
    (error: unknown) => (LayerError.is(error) ? error.code : error),
  )

for (const kind of ['ext4', 'btrfs'] as const) {
  const why = await whyNoVerity(kind)
  // By scripts/test-verity.sh, which brings the kernel for it.
  test.skipIf(!process.env.VARVE_VERITY)(`there is fs-verity on ${kind}`, () => {
    expect(why).toBe(undefined)
  })
  describe.skipIf(why)(`fs-verity on ${kind} (${why ?? 'with it'})`, () => {
    const image = (disk: VerityDisk, id: CacheID) => join(disk.path, 'erofs', id, 'layer.erofs')
    const open = (disk: VerityDisk, options: Partial<ErofsOptions> = {}) =>
      erofs({ root: join(disk.path, 'erofs'), verity: true, ...options })
    const openAll = async (disk: VerityDisk, options: Partial<ErofsOptions> = {}) =>
      openStore({
        driver: await open(disk, options),
        metadata: await metadataFs({ root: join(disk.path, 'layerdb') }),
      })
    const sources = async function* ({ diffID }: LayerRecord) {
      for (const tar of TARS) if (digestOf(tar) === diffID) yield [tar]
    }
    /** Two layers, registered in a store that is closed again. */
    async function registered(disk: VerityDisk) {
      await using store = await openAll(disk)
      await using base = await store.register([TARS[0]])
      await using top = await store.register([TARS[1]], { parent: base.chainID })
      await store.createRW('rw', { parent: top.chainID })
      return { base: base.cacheID, top: top.cacheID, id: top.chainID }
    }
    const check = async (store: Awaited<ReturnType<typeof openAll>>, repair: boolean) =>
      await Array.fromAsync(store.check({ full: true, ...(repair && { repair, sources }) }))

    test('each image is under it, refuses writers, is mounted, and is removed', async () => {
      await using disk = verityDisk(kind)
      await using driver = await open(disk)
      const { base, top, rw } = await layersOf(driver)
      for (const id of [base, top]) {
        const file = image(disk, id)
        expect(await measure(file)).toMatch(/^[0-9a-f]{64}$/)
        expect(fs.readFileSync(file.replace(/erofs$/, 'verity'), 'utf8')).toBe(await measure(file))
        expect(() => fs.appendFileSync(file, 'x')).toThrow(/EPERM/)
        expect(await Array.fromAsync(driver.verify?.(id, []) ?? ['no verify'])).toEqual([])
      }
      {
        await using mount = await driver.mount(rw)
        expect(await readFile(join(mount.path, 'f'), 'utf8')).toBe(CONTENT)
      }
      for (const id of [rw, top, base]) await driver.remove(id)
      expect(await Array.fromAsync(driver.list())).toEqual([])
    })

    test('so are those of who did not ask for it, but not of who wanted none', async () => {
      await using disk = verityDisk(kind)
      for (const none of [false, true]) {
        const root = join(disk.path, `erofs-${none}`)
        await using driver = await erofs({ root, ...(none && { verity: false }) })
        const id = newCacheID()
        await driver.create(id)
        await using _applied = await driver.applyDiff(id, undefined, [TARS[0]])
        const digest = await measure(join(root, id, 'layer.erofs'))
        expect(digest === undefined).toBe(none)
      }
    })

    test('so are those of who mounts nothing, and of who was killed at it', async () => {
      await using disk = verityDisk(kind)
      await using driver = await open(disk, { mounts: false })
      const id = newCacheID()
      await driver.create(id)
      const left = join(disk.path, 'erofs', id, 'layer.tmp')
      fs.writeFileSync(left, 'half an image')
      expect(await putUnderVerity(left)).toBe(true)
      await using _applied = await driver.applyDiff(id, undefined, [TARS[0]])
      expect(await measure(image(disk, id))).toMatch(/^[0-9a-f]{64}$/)
      expect(fs.existsSync(left)).toBe(false)
    })

    test.each(['files', 'loop'] as const)(
      'what was altered on the disk is EIO in a mount by %s, found by check, and made anew',
      async (imageMethod) => {
        await using disk = verityDisk(kind)
        const { base, id } = await registered(disk)
        const digest = await measure(image(disk, base))
        disk.alter(SECRET)
        // What nobody altered is still there, and so is the digest.
        expect(await measure(image(disk, base))).toBe(digest)
        {
          await using store = await openAll(disk, { imageMethod })
          const rw = await store.getRW('rw')
          await using mount = await rw.mount()
          const read = readFile(join(mount.path, 'f'))
          await expect(read).rejects.toMatchObject({ code: 'EIO' })
          expect(await readFile(join(mount.path, 'g'), 'utf8')).toBe('g'.repeat(5000))
          const [fault, ...others] = await check(store, false)
          expect(fault?.message).toMatch(/was altered, so the kernel refuses to read it/)
          expect([fault?.kind, others]).toEqual(['altered-data', []])
        }
        // Whoever repairs it need not know that it was under fs-verity.
        await using store = await openAll(disk, { imageMethod, verity: false })
        expect((await check(store, true)).map(({ repaired }) => repaired)).toEqual([true])
        expect(await check(store, false)).toEqual([])
        expect(await measure(image(disk, base))).toBe(digest)
        await using layer = await store.get(id as ChainID)
        await using mount = await layer.mount()
        expect(await readFile(join(mount.path, 'f'), 'utf8')).toBe(CONTENT)
      },
    )

    test.each([
      ['is under it no more', (bytes: Buffer) => bytes, false],
      ['is another one under it', (bytes: Buffer) => Buffer.concat([bytes, bytes]), true],
    ] as const)('an image that %s is not mounted, and made anew', async (_how, change, isUnder) => {
      await using disk = verityDisk(kind)
      const { base, top, id } = await registered(disk)
      const file = image(disk, base)
      const bytes = fs.readFileSync(file)
      const digest = await measure(file)
      fs.rmSync(file)
      fs.writeFileSync(file, change(bytes))
      if (isUnder) expect(await putUnderVerity(file)).toBe(true)
      await using store = await openAll(disk, { verity: false })
      for (const layer of [base, top, await store.mountID('rw')]) {
        expect(await codeOf(store.driver.mount(layer))).toBe('ERR_CORRUPT_LAYER')
      }
      const [fault] = await check(store, false)
      expect(fault?.message).toMatch(/its image is not the one that was put under fs-verity/)
      const repaired = (await check(store, true)).map((each) => each.repaired)
      expect(new Set(repaired)).toEqual(new Set([true]))
      expect(await check(store, false)).toEqual([])
      expect(await measure(file)).toBe(digest)
      await using layer = await store.get(id)
      await using mount = await layer.mount()
      expect(await readFile(join(mount.path, 'f'), 'utf8')).toBe(CONTENT)
    })
  })
}

const whyNoSmall = await whyNoVerity('ext4')
test.skipIf(whyNoSmall)(
  `blocks that are smaller than those of its tree are refused (${whyNoSmall ?? 'with fs-verity'})`,
  async () => {
    await using disk = verityDisk('ext4 of small blocks')
    await using driver = await erofs({ root: join(disk.path, 'erofs'), verity: true })
    const id = newCacheID()
    await driver.create(id)
    expect(await codeOf(driver.applyDiff(id, undefined, [TARS[0]]))).toBe('ERR_NOT_SUPPORTED')
    expect(fs.readdirSync(join(disk.path, 'erofs', id))).not.toContain('layer.erofs')
  },
)
