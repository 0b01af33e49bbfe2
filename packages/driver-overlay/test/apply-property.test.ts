import { join } from 'node:path'
import { type CacheID, type Driver, LayerError, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { vfs } from '@varve/driver-vfs'
import { type TarEntry, tarOf } from '@varve/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { comparable, describeTree } from './describe-tree.ts'
import { canMount, nativeCalls, place } from './place.ts'
import { anyLayer, baseLayer } from './random-layers.ts'

/** What comes of a layer: all of the merged tree or the code of the error, and what verify says. */
async function outcome(
  driver: Driver,
  entries: readonly TarEntry[],
  parent: CacheID | undefined,
): Promise<{ id: CacheID; result: ReadonlyMap<string, string> | string; wrong: string[] }> {
  const id = newCacheID()
  await driver.create(id, parent === undefined ? {} : { parent })
  const tar = [tarOf(entries)]
  try {
    await using _applied = await driver.applyDiff(id, parent, tar)
  } catch (error) {
    if (!LayerError.is(error)) throw error
    return { id, result: error.code, wrong: [] }
  }
  const how = parent === undefined ? {} : { parent }
  const wrong = await Array.fromAsync(driver.verify?.(id, tar, how) ?? [])
  await using mount = await driver.mount(id, { readOnly: true })
  return { id, wrong, result: describeTree(nativeCalls(), mount.path, { links: true }) }
}

test.skipIf(!canMount)(
  'any layers give the same file system as full copies do (needs root)',
  async () => {
    await using dir = place()
    const root = dir.path
    await using layered = await overlay({ root: join(root, 'overlay2') })
    await using copied = await vfs({ root: join(root, 'vfs') })
    await fc.assert(
      fc.asyncProperty(baseLayer, anyLayer, anyLayer, async (...layers) => {
        const made: [Driver, CacheID][] = []
        try {
          let below: [CacheID | undefined, CacheID | undefined] = [undefined, undefined]
          for (const entries of layers) {
            const mine = await outcome(layered, entries, below[0])
            made.push([layered, mine.id])
            const theirs = await outcome(copied, entries, below[1])
            made.push([copied, theirs.id])
            expect([mine.wrong, theirs.wrong]).toEqual([[], []])
            const [one, other] = [mine.result, theirs.result]
            if (typeof one === 'string' || typeof other === 'string') {
              expect(one).toBe(other)
              return
            }
            expect(comparable(one, other)).toEqual(comparable(other, one))
            below = [mine.id, theirs.id]
          }
        } finally {
          for (const [driver, id] of made.reverse()) await driver.remove(id)
        }
      }),
      { numRuns: runs(100) },
    )
  },
)
