import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { applyLayer } from '@varve/archive'
import { LayerError } from '@varve/core'
import { loadTree, type MemoryFile, memoryFile, openErofs, writeErofs } from '@varve/erofs'
import { type TarEntry, tarOf } from '@varve/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import {
  canMount,
  type Described,
  describeImage,
  describeTree,
  isRoot,
  mountImages,
  place,
} from './describe.ts'
import { anyLayer, baseLayer } from './random-layers.ts'

test.runIf(process.env.CI)('images are mounted where they must be', () => {
  expect(canMount).toBe(true)
})

/** One more layer on images, or the code with which it is refused. */
async function layerOn(below: readonly MemoryFile[], entries: readonly TarEntry[]) {
  const file = memoryFile()
  const top = below.at(-1)
  try {
    await writeErofs(file, [tarOf(entries)], top ? { below: await loadTree(top) } : {})
    return file
  } catch (error) {
    if (LayerError.is(error)) return error.code
    throw error
  }
}

test.skipIf(!isRoot)(
  'any layers give the same tree as they do when they are unpacked (needs root)',
  async () => {
    using dir = place()
    await fc.assert(
      fc.asyncProperty(baseLayer, anyLayer, anyLayer, async (...layers) => {
        const root = mkdtempSync(join(dir.path, 'root-'))
        const images: MemoryFile[] = []
        for (const entries of layers) {
          const made = await layerOn(images, entries)
          let unpacked: Described | string
          try {
            await using _applied = await applyLayer(root, [tarOf(entries)])
            unpacked = describeTree(root, { times: true })
          } catch (error) {
            unpacked = (error as LayerError).code
          }
          if (typeof made === 'string') {
            expect(made).toBe(unpacked)
            return
          }
          images.push(made)
          const image = await openErofs(made, { devices: images.slice(0, -1) })
          expect(await describeImage(image, { times: true })).toEqual(unpacked)
        }
      }),
      { numRuns: runs(60) },
    )
  },
)

test.skipIf(!canMount)(
  'the kernel shows of any layers what this package reads (needs root)',
  async () => {
    await fc.assert(
      fc.asyncProperty(baseLayer, anyLayer, async (...layers) => {
        const images: MemoryFile[] = []
        for (const entries of layers) {
          const made = await layerOn(images, entries)
          if (typeof made !== 'string') images.push(made)
        }
        const top = images.at(-1)
        if (!top) return
        const image = await openErofs(top, { devices: images.slice(0, -1) })
        using dir = place()
        const mounted = mountImages(
          dir.path,
          images.map(({ bytes }) => bytes),
        )
        expect(describeTree(mounted)).toEqual(await describeImage(image))
      }),
      { numRuns: runs(12) },
    )
  },
)

test.skipIf(!canMount)(
  'the kernel knows ACLs and labels for what they are (needs root)',
  async () => {
    using dir = place()
    const acl = [2, 0, 0, 0, ...entry(1, 7), ...entry(2, 4, 1000), ...entry(4, 5), ...entry(16, 5)]
    const xattrs = {
      'system.posix_acl_access': Uint8Array.from([...acl, ...entry(32, 5)]),
      'security.selinux': 'system_u:object_r:bin_t:s0\0',
      'trusted.t': 't',
    }
    const file = memoryFile()
    await writeErofs(file, [tarOf([{ name: 'f', mode: 0o755, xattrs }])])
    const shown = describeTree(mountImages(dir.path, [file.bytes]))
    expect(shown).toEqual(await describeImage(await openErofs(file)))
    expect(shown.get('f')).toMatch(/security.selinux=.* system.posix_acl_access=.* trusted.t=74/)
  },
)

/** One entry of an ACL. */
function entry(tag: number, permissions: number, id = 2 ** 32 - 1): number[] {
  return [tag, 0, permissions, 0, id & 255, (id >>> 8) & 255, (id >>> 16) & 255, id >>> 24]
}

test('the same layers give the same image, byte for byte, whatever was loaded or kept', async () => {
  await fc.assert(
    fc.asyncProperty(baseLayer, anyLayer, async (...layers) => {
      const loaded: MemoryFile[] = []
      for (const entries of layers) {
        const made = await layerOn(loaded, entries)
        if (typeof made === 'string') return
        loaded.push(made)
      }
      const [first, second] = [memoryFile(), memoryFile()]
      const { tree, blocks } = await writeErofs(first, [tarOf(layers[0])])
      tree.devices.push({ tag: '', blocks })
      await writeErofs(second, [tarOf(layers[1])], { below: tree })
      expect(Buffer.compare(first.bytes, loaded[0]?.bytes ?? first.bytes)).toBe(0)
      expect(Buffer.compare(second.bytes, loaded[1]?.bytes ?? first.bytes)).toBe(0)
    }),
    { numRuns: runs(60) },
  )
})
