/** What goes wrong is reported by its code, and nothing is left behind. */
import assert from 'node:assert/strict'
import { chmod, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newCacheID } from '@varve/core'
import { allOf, failsWith } from '../expect.ts'
import { tarOf } from '../tar/build.ts'
import type { DriverCase } from './case.ts'
import type { Kit } from './kit.ts'

const MANY = tarOf(
  Array.from({ length: 50 }, (_, i) => ({ name: `d/f${i}`, data: `${i}`.padEnd(3000, '.') })),
)

export const trouble: readonly DriverCase[] = [
  {
    name: 'an abort in the middle of a layer stops it, and remove leaves nothing',
    run: async (kit) => {
      const base = await kit.layer([{ name: 'f', data: 'f' }])
      const id = await kit.create(base)
      const controller = new AbortController()
      const tar = (function* () {
        yield MANY.subarray(0, 40_000)
        controller.abort(new Error('enough'))
        for (let at = 40_000; at < MANY.length; at += 512) yield MANY.subarray(at, at + 512)
      })()
      const { signal } = controller
      await failsWith('ERR_ABORTED', () => kit.driver.applyDiff(id, base, tar, { signal }))
      await kit.driver.remove(id)
      assert.deepEqual(await kit.ids(), [base])
    },
  },
  {
    name: 'a signal that is aborted already stops a layer before its first byte is taken in',
    run: async (kit) => {
      const id = await kit.create()
      const signal = AbortSignal.abort()
      await failsWith('ERR_ABORTED', () => kit.driver.applyDiff(id, undefined, [MANY], { signal }))
      assert.deepEqual(await kit.texts(id), {})
    },
  },
  {
    name: 'a source that fails makes the layer fail with that error, and remove leaves nothing',
    run: async (kit) => {
      const id = await kit.create()
      const tar = (function* () {
        yield MANY.subarray(0, 40_000)
        throw new RangeError('the source broke')
      })()
      await assert.rejects(kit.driver.applyDiff(id, undefined, tar), (error: Error) =>
        messages(error).some((message) => message.includes('the source broke')),
      )
      await kit.driver.remove(id)
      await kit.isEmpty()
    },
  },
  {
    name: 'junk without an end is refused, not read for ever',
    run: async (kit) => {
      const tar = (function* () {
        for (;;) yield new Uint8Array(512).fill(0xff)
      })()
      const id = await kit.create()
      await failsWith('ERR_INVALID_TAR', () => kit.driver.applyDiff(id, undefined, tar))
    },
  },
  {
    name: 'two layers can be made at once',
    run: async (kit) => {
      const base = await kit.layer([{ name: 'f', data: 'f' }])
      const names = ['a', 'b', 'c', 'd']
      const ids = await Promise.all(names.map((name) => kit.layer([{ name, data: name }], base)))
      for (const [i, id] of ids.entries()) {
        const name = names[i] ?? ''
        assert.deepEqual(await kit.texts(id), { f: 'f', [name]: name })
      }
    },
  },
  {
    name: 'verify finds nothing wrong with a layer that is as it was applied',
    run: async (kit) => {
      if (!kit.driver.verify) return
      const base = await kit.layer([
        { name: 'd/f', data: 'f' },
        { name: 'gone', data: 'g' },
      ])
      const tar = tarOf(RICH)
      const id = await kit.layer([tar], base)
      assert.deepEqual(await allOf(kit.driver.verify(id, [tar], { parent: base })), [])
    },
  },
  ...(
    [
      ['content', (path) => writeFile(join(path, 'd/f'), 'nEw')],
      ['a mode', (path) => chmod(join(path, 'd/f'), 0o666)],
      ['a file that is missing', (path) => unlink(join(path, 'd/f'))],
    ] as const satisfies readonly (readonly [string, (path: string) => Promise<void>])[]
  ).map(
    ([what, change]): DriverCase => ({
      name: `verify finds ${what} altered, and names the file`,
      when: (_, { alter }) => alter !== undefined,
      run: async (kit) => {
        if (!kit.driver.verify) return
        const tar = tarOf(RICH)
        const id = await kit.layer([tar])
        await kit.around.alter?.(kit.driver, id, change)
        const found = await allOf(kit.driver.verify(id, [tar]))
        assert.ok(found.length > 0, `${what}: nothing was found`)
        assert.ok(
          found.some((text) => text.includes('d/f')),
          found.join('\n'),
        )
      },
    }),
  ),
  {
    name: 'files refuses content that was cut',
    when: ({ reproducesExactDiffs }, { alter }) => !reproducesExactDiffs && alter !== undefined,
    run: async (kit) => {
      const id = await kit.layer(RICH)
      await kit.around.alter?.(kit.driver, id, (path) => writeFile(join(path, 'd/f'), ''))
      await refusesCut(kit, id)
    },
  },
  {
    name: 'what is unknown cannot be mounted, and the attempt makes nothing',
    run: async (kit) => {
      await failsWith('ERR_LAYER_NOT_FOUND', () => kit.driver.mount(newCacheID()))
      await kit.isEmpty()
    },
  },
]

const RICH = [
  { name: 'd/', mode: 0o750 },
  { name: 'd/f', data: 'new', mode: 0o640 },
  { name: 'd/g', type: 'hardlink', link: 'd/f', mode: 0o640 },
  { name: 's', type: 'symlink', link: 'd/f' },
  { name: '.wh.gone' },
]

async function refusesCut(kit: Kit, id: Awaited<ReturnType<Kit['create']>>): Promise<void> {
  await using files = await kit.driver.files?.(id)
  await failsWith('ERR_CORRUPT_LAYER', async () => {
    for await (const _ of files?.open(new TextEncoder().encode('d/f'), 3) ?? []);
  })
}

function messages(error: unknown): string[] {
  return error instanceof Error ? [error.message, ...messages(error.cause)] : []
}
