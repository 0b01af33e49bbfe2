/** Tars that another process imports: the same layers, the same errors, and nothing left of a kill. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  type ByteSource,
  type CacheID,
  collect,
  type Driver,
  LayerError,
  newCacheID,
} from '@varve/core'
import { type WindowsOptions, windows } from '@varve/driver-windows'
import { HcsError } from '@varve/sys'
import { tarOf } from '@varve/testkit'
import { describe, expect, test } from 'vitest'
import { RUNTIMES } from '../../sys/test/runtimes.ts'
import { fromFrames, toFrames } from '../src/driver/apply/child/frames.ts'
import { receiveError, sendError } from '../src/driver/apply/child/sent-error.ts'
import { BASE, type Bed, bed, bytesOf, layer, payload, UPPER } from './beds.ts'

/** The same layers, by a driver that imports in this process: that takes less time. */
async function beside(one: Bed): Promise<Driver> {
  return await windows({ root: one.root, ports: { hcs: one.hcs } })
}

const SCRIPT = fileURLToPath(new URL('../src/import-child.ts', import.meta.url))
const [node] = RUNTIMES.node
/** Bun is the quickest to start; the driver's own way is tried with the first of the tests. */
const IN_CHILD = { importIn: { command: [...RUNTIMES.bun, SCRIPT] } } as const

/** Nothing of the calls is left but the layers themselves. */
function expectClean(one: Bed): void {
  const aside = join(one.root, 'aside')
  expect(existsSync(aside) ? readdirSync(aside) : []).toEqual([])
}

async function created(one: Bed, parent?: CacheID): Promise<CacheID> {
  const id = newCacheID()
  await one.driver.create(id, parent === undefined ? {} : { parent })
  return id
}

/** An unfinished layer can be removed, and made again. */
async function expectAgain(one: Bed, id: CacheID, parent: CacheID): Promise<void> {
  expectClean(one)
  await one.driver.remove(id)
  expect(readdirSync(one.root)).not.toContain(id)
  await layer(await beside(one), UPPER, parent, id)
  expect(await payload(one.driver, id, 'Files/d/c.txt', 3)).toBe('ccc')
  expectClean(one)
}

describe.each([
  ['today', { compat: 'current' }, { importIn: 'child' }],
  ['of v1.11, file by file', { compat: 'v1.11', streaming: true }, IN_CHILD],
] as const)('a layer imported in a child, %s', (_title, variant, inChild) => {
  test('is the same as one imported here', async () => {
    await using here = await bed(variant)
    await using there = await bed({ ...variant, ...inChild })
    const tars: Uint8Array[][] = []
    for (const one of [here, there]) {
      const base = await layer(one.driver, BASE)
      const top = await layer(one.driver, UPPER, base)
      expect(one.calls().some((call) => /^(Import|Process)/.test(call))).toBe(one === here)
      tars.push([await bytesOf(one.driver.diff(base)), await bytesOf(one.driver.diff(top, base))])
      expectClean(one)
    }
    // But for times that this system gives to directories no entry tells of.
    expect(tars[1]?.map(({ length }) => length)).toEqual(tars[0]?.map(({ length }) => length))
  })
})

test('payloads that the layer does not keep come back', async () => {
  await using one = await bed(IN_CHILD)
  const id = await created(one)
  const tar = tarOf([
    { name: 'Files/ä', data: 'first' },
    { name: 'Files/ä', data: 'second one' },
  ])
  await using applied = await one.driver.applyDiff(id, undefined, [tar])
  const [only] = applied.displaced
  expect(applied.displaced).toHaveLength(1)
  expect([Buffer.from(only?.name ?? []).toString(), only?.occurrence]).toEqual(['Files/ä', 0])
  const bytes = await collect(only?.open() ?? [], 100)
  expect(Buffer.from(bytes).toString()).toBe('first')
  expect(applied.size).toBe(15)
})

test('the child may run on Deno', async () => {
  await using one = await bed({ importIn: { command: [...RUNTIMES.deno, SCRIPT] } })
  const base = await layer(await beside(one), BASE)
  const top = await layer(one.driver, UPPER, base)
  expect(await payload(one.driver, top, 'Files/d/c.txt', 3)).toBe('ccc')
})

describe('errors of the child are those of the driver', () => {
  test('of the tar, with code, data and hint', async () => {
    await using one = await bed(IN_CHILD)
    const id = await created(one)
    const tar = tarOf([{ name: 'etc/passwd', data: 'x' }])
    const failed = await one.driver.applyDiff(id, undefined, [tar]).catch((error: unknown) => error)
    expect(LayerError.is(failed, 'ERR_UNSAFE_PATH')).toBe(true)
    expect(failed).toMatchObject({ data: { name: 'etc/passwd' } })
    expect((failed as LayerError).hint).toContain('was it made for Linux')
    expectClean(one)
  })

  test('of the service, with its HRESULT as the cause', async () => {
    await using one = await bed(IN_CHILD)
    const base = await layer(await beside(one), BASE)
    const middle = await layer(await beside(one), UPPER, base)
    const id = await created(one, middle)
    await rm(join(one.root, base), { recursive: true })
    const failed = await one.driver.applyDiff(id, middle, [UPPER]).catch((error: unknown) => error)
    expect(LayerError.is(failed, 'ERR_LAYER_NOT_FOUND'), String(failed)).toBe(true)
    const { cause } = failed as LayerError
    expect(cause).toBeInstanceOf(HcsError)
    expect(cause).toMatchObject({ syscall: 'ImportLayer', hresult: 0x80070002 })
    expectClean(one)
  })

  test('with all that led to them', () => {
    const deep = Object.assign(new Error('EACCES: open'), { code: 'EACCES', path: '/x' })
    const several = new AggregateError([deep, new HcsError('A', 0x80070005, 'x')], 'two')
    const error = new LayerError('ERR_IO', 'Cannot', { cause: several, data: { id: 'a' } })
    const sent = JSON.parse(JSON.stringify(sendError(error))) as ReturnType<typeof sendError>
    const back = receiveError(sent)
    expect(back).toMatchObject({ code: 'ERR_IO', message: 'Cannot', data: { id: 'a' } })
    const { errors } = back.cause as AggregateError
    expect(errors[0]).toMatchObject({ message: 'EACCES: open', code: 'EACCES', path: '/x' })
    expect(errors[1]).toBeInstanceOf(HcsError)
    expect(errors[1]).toMatchObject({ hresult: 0x80070005, message: several.errors[1].message })
  })

  test('or of a command that is none', async () => {
    for (const [command, why] of [
      [['/nonexistent/program'], 'ENOENT'],
      [[node, '-e', 'console.error("broken"); process.exit(3)'], 'exit 3: broken'],
    ] as const) {
      await using one = await bed({ importIn: { command } })
      const id = await created(one)
      const failed = one.driver.applyDiff(id, undefined, [BASE])
      await expect(failed).rejects.toMatchObject({
        code: 'ERR_IO',
        message: expect.stringContaining(why),
      })
      expectClean(one)
    }
  })
})

describe('whatever ends it, only an unfinished layer is left', () => {
  /** Half a tar; then `then`, and no more for ever. */
  async function* half(then: () => Promise<unknown>): AsyncGenerator<Uint8Array> {
    yield UPPER.subarray(0, 1536)
    await then()
    await new Promise(() => undefined)
  }

  test('an abort', async () => {
    await using one = await bed(IN_CHILD)
    const parent = await layer(await beside(one), BASE)
    const id = await created(one, parent)
    const { signal, abort } = aborter()
    const applied = one.driver.applyDiff(
      id,
      parent,
      half(async () => abort()),
      { signal },
    )
    await expect(applied).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await expectAgain(one, id, parent)
  })

  test('a kill', async () => {
    const pidFile = join(tmpdir(), `varve-import-${newCacheID()}`)
    const start = `echo $$ > '${pidFile}'; exec "$@"`
    const command = ['sh', '-c', start, 'sh', ...RUNTIMES.bun, SCRIPT] as const
    await using one = await bed({ importIn: { command } })
    const parent = await layer(await beside(one), BASE)
    const id = await created(one, parent)
    const tar = half(async () => {
      // Until it has begun to gather files.
      while (!isGathering(one)) await wait(5)
      process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
    })
    const failed = one.driver.applyDiff(id, parent, tar)
    await expect(failed).rejects.toMatchObject({ code: 'ERR_IO', data: { ended: 'SIGKILL' } })
    await expectAgain(one, id, parent)
    await rm(pidFile)
  })

  test('a tar that fails in the middle, even between two entries', async () => {
    await using one = await bed(IN_CHILD)
    const parent = await layer(await beside(one), BASE)
    const id = await created(one, parent)
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield UPPER.subarray(0, 1024)
      throw new LayerError('ERR_DIGEST_MISMATCH', 'not what was asked for')
    }
    const failed = one.driver.applyDiff(id, parent, failing())
    await expect(failed).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' })
    await expectAgain(one, id, parent)
  })
})

test('what comes behind the end of the archive is not asked for for ever', async () => {
  await using one = await bed(IN_CHILD)
  const id = await created(one)
  let over = false
  const endless = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield BASE
      for (;;) yield new Uint8Array(65536)
    } finally {
      over = true
    }
  }
  await using _applied = await one.driver.applyDiff(id, undefined, endless())
  expect(over).toBe(true)
})

test('frames that were cut anywhere are no tar that is over', async () => {
  const pieces = await Array.fromAsync(toFrames({ a: 1 }, [Uint8Array.of(1, 2), new Uint8Array(0)]))
  const whole = Buffer.concat(pieces)
  const read = async (source: ByteSource) => {
    const { job, tar } = await fromFrames(source)
    return [job, ...(await collect(tar, 100))]
  }
  expect(await read([whole])).toEqual([{ a: 1 }, 1, 2])
  expect(await read([...whole].map((byte) => Uint8Array.of(byte)))).toEqual([{ a: 1 }, 1, 2])
  for (let cut = 0; cut < whole.length; cut++) {
    const failed = read([whole.subarray(0, cut)])
    await expect(failed, `${cut} bytes`).rejects.toMatchObject({ code: 'ERR_TRUNCATED' })
  }
})

test('a driver of other people’s ports imports in this process', async () => {
  await using one = await bed()
  const root = join(one.root, '../other')
  const options: WindowsOptions = { root, ports: { hcs: { ...one.hcs, kind: 'windows' } } }
  await using driver = await windows(options)
  expect(driver.name).toBe('windowsfilter')
})

function aborter(): { readonly signal: AbortSignal; abort(): void } {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

/** Whether a child has a folder for what the service is to import. */
function isGathering(one: Bed): boolean {
  const aside = join(one.root, 'aside')
  return readdirSync(aside).some((name) => {
    const temporary = join(aside, name, 'files/tmp')
    return existsSync(temporary) && readdirSync(temporary).length > 0
  })
}
