import { collect, LayerError } from '@varve/core'
import {
  loadTree,
  type MemoryFile,
  memoryFile,
  openErofs,
  type WrittenErofs,
  writeErofs,
} from '@varve/erofs'
import { corpus, tarOf } from '@varve/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { canMount, describeImage, describeTree, mountImages, place } from './describe.ts'
import { baseLayer } from './random-layers.ts'

/** Unpacked, these would fill a disk; here they are holes. */
const HUGE = /hole of 60 GB/

describe('odd and hostile tars', () => {
  for (const { name, base, tar, expect: outcome, codes, files = {} } of corpus()) {
    test(`${name}: ${outcome}`, async () => {
      const below = memoryFile()
      if (base) await writeErofs(below, base())
      const file = memoryFile()
      try {
        await writeErofs(file, tar(), base ? { below: await loadTree(below) } : {})
      } catch (error) {
        if (!LayerError.is(error)) throw error
        expect(outcome).not.toBe('applies')
        if (outcome === 'refused') expect(codes).toContain(error.code)
        return
      }
      expect(outcome).not.toBe('refused')
      const image = await openErofs(file, base ? { devices: [below] } : {})
      if (!HUGE.test(name)) await describeImage(image)
      for (const [path, content] of Object.entries(files)) {
        const stat = await image.stat(path)
        if (content === undefined) expect(stat).toBeUndefined()
        else expect(await textOf(image.read(path))).toBe(content)
      }
    })
  }
})

async function textOf(parts: AsyncIterable<Uint8Array>): Promise<string> {
  return new TextDecoder().decode(await collect(parts, 2 ** 24))
}

test('a file of 60 GB that is a hole takes the image no more than its data', async () => {
  const pax = {
    'GNU.sparse.map': '0,4',
    'GNU.sparse.numblocks': '1',
    'GNU.sparse.size': '60000000000',
  }
  const file = memoryFile()
  await writeErofs(file, [tarOf([{ name: 'f', pax, data: 'data' }])])
  const image = await openErofs(file)
  expect((await image.stat('f'))?.size).toBe(60_000_000_000)
  expect(await textOf(image.read('f', { length: 6 }))).toBe('data\0\0')
  expect(await textOf(image.read('f', { position: 59_999_999_998 }))).toBe('\0\0')
  expect(file.size).toBeLessThan(2 ** 25)
})

test('a damaged image is refused or read, but nothing else happens', async () => {
  await fc.assert(
    fc.asyncProperty(
      baseLayer,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
        minLength: 1,
        maxLength: 20,
      }),
      async (entries, changes) => {
        const file = memoryFile()
        const written = await writtenIfAny(file, tarOf(entries))
        if (!written) return
        const { tar } = written
        const bytes = file.bytes.slice()
        // The checksum would find changes of the superblock, so it is not asked for.
        bytes.fill(0, 1024 + 8, 1024 + 12)
        const start = Math.ceil((tar.position + tar.size) / 512) * 512
        for (const [at, value] of changes) {
          const inSuperblock = at % 4 === 0
          const offset = inSuperblock
            ? 1024 + 12 + (at % 116)
            : start + (at % (bytes.length - start))
          bytes[offset] = value
        }
        const damaged = memoryFile(bytes)
        for (const read of [() => loadTree(damaged), () => readAll(damaged)]) {
          try {
            await read()
          } catch (error) {
            if (!LayerError.is(error)) throw error
            expect(['ERR_CORRUPT_LAYER', 'ERR_LIMIT_EXCEEDED', 'ERR_INVALID_ARGUMENT']).toContain(
              error.code,
            )
          }
        }
      },
    ),
    { numRuns: runs(150) },
  )
})

/** Undefined if the tar is refused, by a code. */
async function writtenIfAny(file: MemoryFile, tar: Uint8Array): Promise<WrittenErofs | undefined> {
  try {
    return await writeErofs(file, [tar])
  } catch (error) {
    if (!LayerError.is(error)) throw error
    return undefined
  }
}

async function readAll(source: MemoryFile): Promise<void> {
  const image = await openErofs(source)
  for await (const { name, stat } of image.walk()) {
    if (stat.type !== 'file') continue
    for await (const _ of image.read(name, { length: 2 ** 21 }));
  }
}

test.skipIf(!canMount)(
  'tars with any bytes changed are refused, or mounted and read to the last byte (needs root)',
  async () => {
    let mounts = 0
    await fc.assert(
      fc.asyncProperty(
        baseLayer,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
        async (entries, changes) => {
          const tar = tarOf(entries)
          for (const [at, value] of changes) tar[at % tar.length] = value
          for (let at = 0; at + 512 <= tar.length; at += 512) repairChecksum(tar, at)
          const file = memoryFile()
          if (!(await writtenIfAny(file, tar))) return
          const read = await describeImage(await openErofs(file))
          if (++mounts > runs(25)) return
          using dir = place()
          expect(describeTree(mountImages(dir.path, [file.bytes]))).toEqual(read)
        },
      ),
      { numRuns: runs(60) },
    )
  },
)

/** Makes what looks like a header a valid one. */
function repairChecksum(tar: Uint8Array, at: number): void {
  const header = tar.subarray(at, at + 512)
  if (new TextDecoder().decode(header.subarray(257, 262)) !== 'ustar') return
  header.fill(0x20, 148, 156)
  const sum = header.reduce((a, b) => a + b, 0)
  header.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
}
