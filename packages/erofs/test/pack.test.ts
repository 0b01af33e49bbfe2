import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LayerError } from '@varve/core'
import {
  loadTree,
  type MemoryFile,
  memoryFile,
  openErofs,
  packErofs,
  writeErofs,
} from '@varve/erofs'
import { tarOf } from '@varve/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { canMount, describeImage, describeTree, mountImages, place } from './describe.ts'
import { anyLayer, baseLayer } from './random-layers.ts'

const hasFsck = spawnSync('sh', ['-c', 'command -v fsck.erofs']).status === 0

test.runIf(process.env.CI)('images are checked by fsck.erofs where they must be', () => {
  expect(hasFsck).toBe(true)
})

async function pack(images: readonly MemoryFile[], blockSize: number): Promise<MemoryFile> {
  const packed = memoryFile()
  const [top = memoryFile(), devices] = [images.at(-1), images.slice(0, -1)]
  for await (const part of packErofs(top, { devices, blockSize })) {
    await packed.write(packed.size, part)
  }
  return packed
}

test.skipIf(!hasFsck)(
  'what is packed is what the layers show, also to fsck.erofs and the kernel',
  async () => {
    let mounts = 0
    await fc.assert(
      fc.asyncProperty(
        baseLayer,
        anyLayer,
        fc.constantFrom(512, 1024, 4096),
        async (first, second, blockSize) => {
          const images = [memoryFile(), memoryFile()] as const
          try {
            await writeErofs(images[0], [tarOf(first)])
            await writeErofs(images[1], [tarOf(second)], { below: await loadTree(images[0]) })
          } catch (error) {
            if (!LayerError.is(error)) throw error
            return
          }
          const packed = await pack(images, blockSize)
          const shown = await describeImage(await openErofs(packed))
          expect(shown).toEqual(
            await describeImage(await openErofs(images[1], { devices: [images[0]] })),
          )
          if (++mounts > runs(12)) return
          using dir = place()
          // fsck.erofs 1.5 knows only this one.
          if (blockSize === 4096) {
            const file = join(dir.path, 'packed.erofs')
            writeFileSync(file, packed.bytes)
            // With `--extract` it reads contents too; it fails unless all is right.
            execFileSync('fsck.erofs', ['--extract', file], { stdio: 'pipe' })
          }
          if (canMount) expect(describeTree(mountImages(dir.path, [packed.bytes]))).toEqual(shown)
        },
      ),
      { numRuns: runs(30) },
    )
  },
)

test('only what is still there is packed, and holes are not', async () => {
  const [base, top] = [memoryFile(), memoryFile()]
  const pax = {
    'GNU.sparse.map': '0,4,1000000,3',
    'GNU.sparse.numblocks': '2',
    'GNU.sparse.size': '50000000',
  }
  await writeErofs(base, [
    tarOf([
      { name: 'gone', data: 'x'.repeat(1_000_000) },
      { name: 'sparse', pax, data: 'one.end' },
    ]),
  ])
  await writeErofs(top, [tarOf([{ name: '.wh.gone' }])], { below: await loadTree(base) })
  const packed = await pack([base, top], 4096)
  expect(packed.size).toBeLessThan(100_000)
  const image = await openErofs(packed)
  const parts = await Array.fromAsync(image.read('sparse', { position: 999_999, length: 5 }))
  expect(Buffer.concat(parts).toString('latin1')).toBe('\0end\0')
  expect(await image.stat('gone')).toBeUndefined()
})

test('blocks of other sizes, and devices that are missing, are refused', async () => {
  const [base, top] = [memoryFile(), memoryFile()]
  await writeErofs(base, [tarOf([{ name: 'f', data: 'f' }])])
  await writeErofs(top, [tarOf([])], { below: await loadTree(base) })
  for (const call of [() => pack([base], 3000), () => pack([top], 4096)]) {
    await expect(call()).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  }
})
