/**
 * Whatever call of the service fails, the layer is as the README says, and the work can be done
 * again: every method, in both flavours, after both Dockers, each of its calls.
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CacheID, LayerError, newCacheID } from '@varve/core'
import { emulatedDisks } from '@varve/driver-windows'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { allOf } from '../../testkit/src/expect.ts'
import {
  BASE,
  type Bed,
  bed,
  bytesOf,
  layer,
  sandbox,
  tarFor,
  VARIANTS,
  type Variant,
} from './beds.ts'

/** What a work finds: layers on each other, a read-write layer on them, and an id that is free. */
interface Layers {
  readonly base: CacheID
  readonly top: CacheID
  readonly rw: CacheID
  readonly id: CacheID
}

interface Work {
  /** Done before, without faults. */
  readonly before?: (one: Bed, layers: Layers, variant: Variant) => Promise<unknown>
  readonly run: (one: Bed, layers: Layers, variant: Variant) => Promise<unknown>
  /** What holds after it failed; then it is run again and must succeed. */
  readonly check: (one: Bed, layers: Layers) => Promise<void>
  /** Where it does not call the service at all. */
  readonly silent?: (variant: Variant) => boolean
}

const at = (one: Bed, id: CacheID) => one.hcs.stateOf(join(one.root, id))
const isListed = async (one: Bed, id: CacheID) => (await allOf(one.driver.list())).includes(id)

async function isGone(one: Bed, { id }: Layers): Promise<void> {
  expect(await isListed(one, id)).toBe(false)
  expect(await readdir(one.root)).not.toContain(id)
}

/** At rest, or still active if that could not be undone; never shown. */
const isNotShown = (pick: 'top' | 'rw') => async (one: Bed, layers: Layers) =>
  expect([undefined, 'active']).toContain(at(one, layers[pick]))

async function isUnfinished(one: Bed, { id }: Layers): Promise<void> {
  expect(await isListed(one, id)).toBe(true)
  expect(at(one, id)).toBe(undefined)
  expect(await readdir(join(one.root, 'aside')).catch(() => [])).toEqual([])
  await one.driver.remove(id)
  await one.driver.create(id)
}

const WORKS: Readonly<Record<string, Work>> = {
  'create makes nothing': {
    run: (one, { id, top }) => one.driver.create(id, { parent: top }),
    check: isGone,
  },
  'createReadWrite makes nothing': {
    run: (one, { id, top }) =>
      one.driver.createReadWrite(id, { parent: top, storageOptions: { size: '30G' } }),
    check: isGone,
  },
  'createReadWrite on a read-write layer makes nothing': {
    run: (one, { id, rw }) => one.driver.createReadWrite(id, { parent: rw }),
    check: isGone,
  },
  'createReadWrite as a copy makes nothing': {
    run: (one, { id, rw, top }) => one.driver.createReadWrite(id, { parent: top, copyOf: rw }),
    check: isGone,
  },
  'reset leaves the layer as it was, or reset': {
    run: (one, { rw, top }) => one.driver.reset(rw, top),
    async check(one, { rw, top }) {
      expect(await isListed(one, rw)).toBe(true)
      expect(await allOf(one.driver.changes(rw, top))).toEqual([])
    },
  },
  'applyDiff of a base layer leaves it unfinished, to be removed': {
    before: (one, { id }) => one.driver.create(id),
    async run(one, { id }, variant) {
      const tar = tarFor(variant, id, false)
      await (await one.driver.applyDiff(id, undefined, [tar]))[Symbol.asyncDispose]()
    },
    check: isUnfinished,
    silent: ({ flavour }) => flavour === 'diff',
  },
  'applyDiff leaves an unfinished layer, to be removed': {
    before: (one, { id, top }) => one.driver.create(id, { parent: top }),
    async run(one, { id, top }, variant) {
      const tar = tarFor(variant, id, true)
      await (await one.driver.applyDiff(id, top, [tar]))[Symbol.asyncDispose]()
    },
    check: isUnfinished,
    silent: ({ flavour }) => flavour === 'diff',
  },
  'mount leaves the layer at rest, unmount lets it be unmounted again': {
    async run(one, { rw }) {
      const mount = await one.driver.mount(rw)
      await writeFile(join(mount.path, 'f'), 'f')
      try {
        await mount[Symbol.asyncDispose]()
      } catch (error) {
        expect(at(one, rw)).not.toBe(undefined)
        await mount[Symbol.asyncDispose]()
        throw error
      }
    },
    check: async (one, { rw }) => expect(at(one, rw)).toBe(undefined),
  },
  'diff does not show the layer': {
    run: (one, { top, base }) => bytesOf(one.driver.diff(top, base)),
    check: isNotShown('top'),
  },
  'diff of a whole read-write layer does not show it': {
    run: (one, { rw }) => bytesOf(one.driver.diff(rw)),
    check: isNotShown('rw'),
  },
  'changes does not show the layer': {
    run: (one, { top, base }) => allOf(one.driver.changes(top, base)),
    check: isNotShown('top'),
  },
  'diffSize does not show the layer': {
    run: (one, { rw, top }) => one.driver.diffSize(rw, top),
    check: isNotShown('rw'),
  },
  'files leaves no folder': {
    run: async (one, { top }) => (await one.driver.files(top))[Symbol.asyncDispose](),
    check: isNotShown('top'),
    silent: ({ tp4 }) => !tp4,
  },
  'remove leaves a layer, or what cleanup sweeps': {
    before: (one, { id }) => one.driver.create(id),
    run: (one, { id }) => one.driver.remove(id),
    async check(one, { id }) {
      const left = (await readdir(one.root)).filter((name) => name.startsWith(id))
      // In place, as in v1.11, it is still a layer; else it is none any more.
      if (!(await isListed(one, id))) {
        expect(left).toEqual([`${id}-removing`])
        expect(await one.driver.cleanup()).toEqual([`layer ${id}, half removed`])
        await one.driver.create(id)
      }
    },
  },
  'cleanup sweeps the next time': {
    before: (one, { id }) => mkdir(join(one.root, `${id}-removing`), { recursive: true }),
    run: (one) => one.driver.cleanup(),
    check: async (one, { id }) => expect(await readdir(one.root)).toContain(`${id}-removing`),
  },
  'baseImages makes none': {
    run: (one) => one.driver.baseImages(),
    check: async (one) => expect(await allOf(one.driver.list())).toHaveLength(3),
  },
}

/** What undoes a work that has succeeded. */
async function undo(one: Bed, { base, top, rw }: Layers): Promise<void> {
  const kept: readonly CacheID[] = [base, top, rw]
  for (const id of await allOf(one.driver.list()))
    if (!kept.includes(id)) await one.driver.remove(id)
  await one.driver.cleanup()
}

async function prepared(one: Bed, variant: Variant): Promise<Layers> {
  const [base, top] = [newCacheID(), newCacheID()]
  await layer(one.driver, tarFor(variant, base, false), undefined, base)
  await layer(one.driver, tarFor(variant, top, true), base, top)
  return { base, top, rw: await sandbox(one.driver, top), id: newCacheID() }
}

/** How a service takes and gives layers is the same for both flavours. */
const TRIED = VARIANTS.filter(
  ([, { flavour, streaming, tp4 }]) => flavour === 'filter' || !(streaming || tp4),
)

describe.each(TRIED)('%s', (_title, variant) => {
  const works = Object.entries(WORKS).filter(([, { silent }]) => !silent?.(variant))
  describe.each(works)('a failed %s', (_name, work) => {
    test('whichever of its calls it is, alone or with all after it', async () => {
      await using one = await bed({ ...variant, baseImages: ['/images/nanoserver'] })
      const layers = await prepared(one, variant)
      let failed = 0
      for (const lasting of [false, true]) {
        for (let n = 1; ; n++) {
          await work.before?.(one, layers, variant)
          one.failAt(n, lasting)
          const failure = await failureOf(work.run(one, layers, variant))
          one.failAt(0)
          if (failure === undefined) break
          failed++
          expect(LayerError.is(failure), String(failure)).toBe(true)
          expect(causes(failure).some((cause) => cause.includes('was made to fail'))).toBe(true)
          if (lasting) {
            // Nothing could be undone; what is left is removed, or the next call makes up for it.
            await one.driver.remove(layers.id)
            await work.before?.(one, layers, variant)
          } else {
            await work.check(one, layers)
          }
          await work.run(one, layers, variant)
          await undo(one, layers)
          if (n > 50) throw new Error('the work has no end')
        }
        await undo(one, layers)
      }
      expect(failed).toBeGreaterThan(1)
    })
  })

  test('a mounted layer whose diff fails is mounted again, whichever call it is', async () => {
    await using one = await bed(variant)
    const { rw, top } = await prepared(one, variant)
    const mount = await one.driver.mount(rw)
    for (let n = 1; ; n++) {
      one.calls()
      one.failAt(n)
      const failure = await failureOf(bytesOf(one.driver.diff(rw, top)))
      const last = one.calls().at(-1) ?? ''
      one.failAt(0)
      if (failure === undefined) break
      // Only the preparing itself can leave it unprepared; the next reader or mount makes up for it.
      if (!/^(PrepareLayer|NameToGuid)/.test(last)) expect(at(one, rw), last).toBe('prepared')
      await bytesOf(one.driver.diff(rw, top))
      expect(at(one, rw)).toBe('prepared')
      if (n > 50) throw new Error('a diff has no end')
    }
    await mount[Symbol.asyncDispose]()
    expect(at(one, rw)).toBe(undefined)
  })

  test('what a failed diff left active is put to rest by who removes it', async () => {
    await using one = await bed(variant)
    const { base } = await prepared(one, variant)
    for (let n = 1; ; n++) {
      const id = newCacheID()
      await layer(one.driver, tarFor(variant, id, true), base, id)
      one.failAt(n, true)
      const failure = await failureOf(bytesOf(one.driver.diff(id, base)))
      one.failAt(0)
      await one.driver.remove(id)
      expect(at(one, id)).toBe(undefined)
      expect(await isListed(one, id)).toBe(false)
      if (failure === undefined) break
      if (n > 50) throw new Error('a diff has no end')
    }
  })

  test('exists of what cannot be asked for is false', async () => {
    await using one = await bed(variant)
    const { base } = await prepared(one, variant)
    one.failAt(1)
    expect(await one.driver.exists(base)).toBe(false)
    expect(await one.driver.exists(base)).toBe(true)
  })
})

test('failed calls leave no folder of theirs where temporary files are', async () => {
  // In a place of its own: other tests have such folders at the same time.
  const temporary = await mkdtemp(join(tmpdir(), 'varve-windows-'))
  vi.stubEnv('TMPDIR', temporary)
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await rm(temporary, { recursive: true })
  })
  await using one = await bed()
  const { top, base } = await prepared(one, { flavour: 'filter', compat: 'current' })
  for (const n of [1, 2, 3, 4]) {
    one.failAt(n)
    await failureOf(bytesOf(one.driver.diff(top, base)))
    one.failAt(0)
  }
  expect((await readdir(temporary)).filter((name) => name.startsWith('hcs'))).toEqual([])
})

test('a layer that something still looks into is removed once its disk is let go', async () => {
  const detached: string[] = []
  const disks = emulatedDisks()
  const virtDisk = { ...disks, detach: async (path: string) => void detached.push(path) }
  await using one = await bed({ ports: { virtDisk } })
  const id = await sandbox(one.driver, await layer(one.driver, BASE))
  await mkdir(join(one.root, id, 'volume'), { recursive: true })
  await one.driver.remove(id)
  // On this system nothing keeps a directory from being renamed.
  expect(detached).toEqual([])
  expect(await one.driver.exists(id)).toBe(false)
})

function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

function causes(error: unknown): string[] {
  if (error instanceof AggregateError) return error.errors.flatMap(causes)
  return error instanceof Error ? [error.message, ...causes(error.cause)] : []
}
