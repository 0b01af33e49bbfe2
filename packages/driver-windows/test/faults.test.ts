/** Whatever call of the service fails, the layer is as documented, and the work can be done again. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CacheID, LayerError, newCacheID } from '@varve/core'
import { describe, expect, test } from 'vitest'
import { allOf } from '../../testkit/src/expect.ts'
import { BASE, type Bed, bed, bytesOf, layer, sandbox, UPPER } from './beds.ts'

interface Work {
  /** What is made ready without faults. */
  readonly prepare: (one: Bed) => Promise<CacheID>
  readonly run: (one: Bed, id: CacheID) => Promise<void>
  /** What must hold after it failed; then it is run again and must succeed. */
  readonly check: (one: Bed, id: CacheID) => Promise<void>
}

const base = (one: Bed) => layer(one.driver, BASE)
const state = (one: Bed, id: CacheID) => one.hcs.stateOf(join(one.root, id))
const ids = async (one: Bed) => (await allOf(one.driver.list())).length

const WORKS: Readonly<Record<string, Work>> = {
  'create makes nothing': {
    prepare: base,
    run: (one, parent) => one.driver.create(NEW, { parent }),
    check: async (one) => expect(await ids(one)).toBe(1),
  },
  'createReadWrite makes nothing': {
    prepare: base,
    run: (one, parent) => one.driver.createReadWrite(NEW, { parent }),
    check: async (one) => expect(await ids(one)).toBe(1),
  },
  'applyDiff leaves an unfinished layer, and no folder': {
    async prepare(one) {
      const parent = await base(one)
      await one.driver.create(NEW, { parent })
      return parent
    },
    async run(one, parent) {
      if (!(await allOf(one.driver.list())).includes(NEW)) await one.driver.create(NEW, { parent })
      await (await one.driver.applyDiff(NEW, parent, [UPPER]))[Symbol.asyncDispose]()
    },
    async check(one) {
      expect(await readdir(join(one.root, 'aside')).catch(() => [])).toEqual([])
      await one.driver.remove(NEW)
    },
  },
  'mount and unmount leave the layer at rest or mounted': {
    prepare: async (one) => sandbox(one.driver, await base(one)),
    async run(one, id) {
      const mount = await one.driver.mount(id)
      await writeFile(join(mount.path, 'f'), 'f')
      try {
        await mount[Symbol.asyncDispose]()
      } catch (error) {
        // It is still held, and can be let go.
        await mount[Symbol.asyncDispose]()
        throw error
      }
    },
    check: async (one, id) => expect(state(one, id)).toBe(undefined),
  },
  'diff of a layer at rest leaves it at rest': {
    prepare: async (one) => layer(one.driver, UPPER, await base(one)),
    async run(one, id) {
      const [parent] = (await allOf(one.driver.list())).filter((other) => other !== id)
      await bytesOf(one.driver.diff(id, parent))
    },
    check: async (one, id) => expect([undefined, 'active']).toContain(state(one, id)),
  },
}
const NEW = newCacheID()

describe.each(Object.entries(WORKS))('a failed %s', (_name, work) => {
  test('whichever call it is, of the first or the last', async () => {
    let failed = 0
    for (let n = 1; ; n++) {
      await using one = await bed()
      const id = await work.prepare(one)
      one.calls()
      one.failAt(n)
      let failure: unknown
      try {
        await work.run(one, id)
      } catch (error) {
        failure = error
      }
      one.failAt(0)
      if (failure === undefined) break
      failed++
      expect(LayerError.is(failure), String(failure)).toBe(true)
      expect(causes(failure).some((cause) => cause.includes('was made to fail'))).toBe(true)
      await work.check(one, id)
      await work.run(one, id)
    }
    expect(failed).toBeGreaterThan(1)
  })
})

test('a mounted layer whose diff fails is mounted again, whichever call it is', async () => {
  for (let n = 1; ; n++) {
    await using one = await bed()
    const parent = await layer(one.driver, BASE)
    const id = await sandbox(one.driver, parent)
    const mount = await one.driver.mount(id)
    one.failAt(n)
    const failure = await bytesOf(one.driver.diff(id, parent)).then(
      () => undefined,
      (error: unknown) => error,
    )
    const calls = one.calls()
    one.failAt(0)
    const prepareFailed = calls.at(-1)?.startsWith('PrepareLayer')
    if (failure === undefined) break
    // Only the preparing itself can leave it unprepared; the next reader or mount makes up for it.
    if (!prepareFailed && !calls.at(-1)?.startsWith('NameToGuid')) {
      expect(one.hcs.stateOf(join(one.root, id)), calls.join('\n')).toBe('prepared')
    }
    await bytesOf(one.driver.diff(id, parent))
    expect(one.hcs.stateOf(join(one.root, id))).toBe('prepared')
    await mount[Symbol.asyncDispose]()
    expect(one.hcs.stateOf(join(one.root, id))).toBe(undefined)
    if (n > 50) throw new Error('a diff has no end')
  }
})

test('a removal that fails leaves what cleanup sweeps', async () => {
  await using one = await bed()
  const id = await layer(one.driver, BASE)
  one.failAt(1)
  await expect(one.driver.remove(id)).rejects.toMatchObject({ code: 'ERR_IO' })
  one.failAt(0)
  expect(await one.driver.exists(id)).toBe(false)
  expect(await one.driver.cleanup()).toEqual([`layer ${id}, half removed`])
  expect(await readdir(one.root)).not.toContain(`${id}-removing`)
})

test('a layer that something still looks into is removed once its disk is let go', async () => {
  const detached: string[] = []
  const virtDisk = { detach: async (path: string) => void detached.push(path) }
  await using one = await bed({ ports: { virtDisk } })
  const id = await sandbox(one.driver, await layer(one.driver, BASE))
  await mkdir(join(one.root, id, 'volume'), { recursive: true })
  await one.driver.remove(id)
  // On this system nothing keeps a directory from being renamed.
  expect(detached).toEqual([])
  expect(await one.driver.exists(id)).toBe(false)
})

function causes(error: unknown): string[] {
  if (error instanceof AggregateError) return error.errors.flatMap(causes)
  return error instanceof Error ? [error.message, ...causes(error.cause)] : []
}
