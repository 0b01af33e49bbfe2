import fs from 'node:fs'
import { join } from 'node:path'
import { type ByteSource, type CacheID, type Driver, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { corpus, tarOf } from '@varve/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { canMount, place } from './place.ts'
import { anyLayer, baseLayer } from './random-layers.ts'

/** Bytes of all files and link targets beneath, a file of several names once. */
function bytesIn(path: Buffer, seen = new Set<number>()): number {
  let bytes = 0
  for (const name of fs.readdirSync(path, { encoding: 'buffer' })) {
    const child = Buffer.concat([path, Buffer.from('/'), name])
    const stat = fs.lstatSync(child)
    if (stat.isDirectory()) bytes += bytesIn(child, seen)
    else if (!seen.has(stat.ino)) bytes += stat.size
    seen.add(stat.ino)
  }
  return bytes
}

/** What the driver says of a layer, beside what its directory holds; undefined if it is refused. */
async function measured(driver: Driver, root: string, id: CacheID, tar: ByteSource, on?: CacheID) {
  await driver.create(id, on === undefined ? {} : { parent: on })
  const applied = await driver.applyDiff(id, on, tar).catch(() => undefined)
  if (!applied) return undefined
  await applied[Symbol.asyncDispose]()
  return [applied.size, bytesIn(Buffer.from(join(root, id, 'diff')))] as const
}

test.skipIf(!canMount)(
  'any layer has the size of what is in its directory (needs root)',
  async () => {
    await using dir = place()
    await using driver = await overlay({ root: dir.path })
    const stack = fc.tuple(baseLayer, anyLayer)
    await fc.assert(
      fc.asyncProperty(stack, async (layers) => {
        const ids: CacheID[] = []
        try {
          for (const entries of layers) {
            const [on, id] = [ids.at(-1), newCacheID()]
            ids.push(id)
            const sizes = await measured(driver, dir.path, id, [tarOf(entries)], on)
            if (!sizes) return
            expect(sizes[0]).toBe(sizes[1])
          }
        } finally {
          for (const id of ids.reverse()) await driver.remove(id)
        }
      }),
      { numRuns: runs(100) },
    )
  },
)

test.skipIf(!canMount)('so has every odd layer of the corpus (needs root)', async () => {
  await using dir = place()
  const root = join(dir.path, 'overlay2')
  await using driver = await overlay({ root })
  const sizes = new Map<string, readonly [number, number]>()
  for (const { name, base, tar } of corpus({ path: join(dir.path, 'canary') })) {
    const [below, id] = [newCacheID(), newCacheID()]
    if (base) await measured(driver, root, below, base())
    const both = await measured(driver, root, id, tar(), base && below)
    if (both) sizes.set(name, both)
    await driver.remove(id)
    if (base) await driver.remove(below)
  }
  expect(sizes.size).toBeGreaterThan(20)
  for (const [name, [said, found]] of sizes) expect([name, said]).toEqual([name, found])
})
