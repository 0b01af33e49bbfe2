import { join } from 'node:path'
import { type CacheID, type Driver, newCacheID } from '@varve/core'
import { overlay } from '@varve/driver-overlay'
import { vfs } from '@varve/driver-vfs'
import { type TarEntry, tarOf } from '@varve/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../../../test/runs.ts'
import { describeTree } from './describe-tree.ts'
import { canMount, nativeCalls, place } from './place.ts'
import { type Edit, edit, edits } from './random-edits.ts'
import { anyLayer, baseLayer } from './random-layers.ts'

const native = canMount ? nativeCalls() : undefined

async function layer(
  driver: Driver,
  tar: readonly Uint8Array[],
  parent?: CacheID,
): Promise<CacheID> {
  const id = newCacheID()
  await driver.create(id, parent === undefined ? {} : { parent })
  await using _applied = await driver.applyDiff(id, parent, tar)
  return id
}

async function tree(driver: Driver, id: CacheID): Promise<ReadonlyMap<string, string>> {
  await using mount = await driver.mount(id, { readOnly: true })
  return native ? describeTree(native, mount.path) : new Map()
}

async function changes(driver: Driver, id: CacheID, parent: CacheID): Promise<string[]> {
  const all = await Array.fromAsync(driver.changes(id, parent))
  return all.map(({ kind, rawPath }) => `${kind} ${Buffer.from(rawPath).toString('latin1')}`)
}

async function diff(driver: Driver, id: CacheID, parent: CacheID): Promise<Uint8Array> {
  const chunks = await Array.fromAsync(driver.diff(id, parent) as AsyncIterable<Uint8Array>)
  return Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)))
}

/** Without sockets, which tars cannot hold. */
function withoutSockets(all: ReadonlyMap<string, string>): [string, string][] {
  return [...all].filter(([, text]) => !text.startsWith('socket'))
}

/** A layer on two others that was changed, in one driver. */
async function changed(
  driver: Driver,
  layers: readonly (readonly TarEntry[])[],
  all: readonly Edit[],
): Promise<{ ids: CacheID[]; top: CacheID; parent: CacheID }> {
  const ids: CacheID[] = []
  let parent: CacheID | undefined
  for (const entries of layers) {
    parent = await layer(driver, [tarOf(entries)], parent)
    ids.push(parent)
  }
  const top = newCacheID()
  ids.push(top)
  await driver.createReadWrite(top, parent === undefined ? {} : { parent })
  await using mount = await driver.mount(top)
  if (native) edit(native, mount.path, all)
  return { ids, top, parent: parent as CacheID }
}

const isLink = ({ type }: TarEntry) => type === 'hardlink'
/** Such a layer may be refused; then there is nothing to compare. */
const layers = fc.tuple(baseLayer, fc.option(anyLayer, { nil: undefined }))

test.skipIf(!canMount)(
  'native diff = naive diff = diff of full copies, and each makes the tree anew (needs root)',
  async () => {
    await using dir = place()
    const home = { root: join(dir.path, 'overlay2') }
    await using quick = await overlay(home)
    await using naive = await overlay({ ...home, nativeDiff: false })
    await using copied = await vfs({ root: join(dir.path, 'vfs') })
    expect((await quick.status())['Native Overlay Diff']).toBe('true')
    await fc.assert(
      fc.asyncProperty(layers, edits, async ([base, middle], all) => {
        const stack = middle ? [base, middle] : [base]
        const made: [Driver, CacheID][] = []
        try {
          const mine = await changed(quick, stack, all).catch(() => undefined)
          if (!mine) return
          made.push(...mine.ids.map((id): [Driver, CacheID] => [quick, id]))
          const now = await tree(quick, mine.top)
          const found = await changes(quick, mine.top, mine.parent)
          const tar = await diff(quick, mine.top, mine.parent)

          expect(await changes(naive, mine.top, mine.parent)).toEqual(found)
          expect(Buffer.compare(await diff(naive, mine.top, mine.parent), tar)).toBe(0)
          const size = await quick.diffSize(mine.top, mine.parent)
          expect(await naive.diffSize(mine.top, mine.parent)).toBe(size)

          const again = await layer(quick, [tar], mine.parent)
          made.push([quick, again])
          expect(withoutSockets(await tree(quick, again))).toEqual(withoutSockets(now))

          // A file changed beneath all of its names is one thing, beneath one of them another.
          if (stack.flat().some(isLink)) return
          const theirs = await changed(copied, stack, all)
          made.push(...theirs.ids.map((id): [Driver, CacheID] => [copied, id]))
          expect(withoutSockets(await tree(copied, theirs.top)).map(withoutTime)).toEqual(
            withoutSockets(now).map(withoutTime),
          )
          const copy = await layer(copied, [tar], theirs.parent)
          made.push([copied, copy])
          expect(withoutSockets(await tree(copied, copy))).toEqual(withoutSockets(now))
        } finally {
          for (const [driver, id] of made.reverse()) await driver.remove(id)
        }
      }),
      { numRuns: runs(100) },
    )
  },
)

/** The second in which an edit was made may be another. */
function withoutTime([path, text]: readonly [string, string]): string {
  return `${path} ${text.replace(/ \d{10} /, ' now ')}`
}
