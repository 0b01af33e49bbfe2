import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  example,
  expectClean,
  isRoot,
  jsonLines,
  scratch,
  until,
  varve,
  varveHere,
} from './varve.ts'

async function run(root: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await varveHere(args, { root })
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  return stdout.trimEnd()
}

/** What must be the same whichever driver keeps it. */
async function kept(root: string, ...driver: string[]): Promise<unknown> {
  const layers = jsonLines(await run(root, ...driver, 'layer', 'ls', '--json'))
  const images = jsonLines(await run(root, ...driver, 'images', '--json'))
  return {
    layers: layers.map(({ chainID, diffID, parent }) => ({ chainID, diffID, parent })),
    images: images.map(({ size: _, ...image }) => image),
    changes: await run(root, ...driver, 'diff', 'work'),
    blobs: jsonLines(await run(root, ...driver, 'layers', '--json')).map(
      ({ blobKept }) => blobKept,
    ),
  }
}

async function store(): Promise<string> {
  const root = join(await scratch(), 'store')
  await run(root, '--driver', 'vfs', 'load', '-q', '--keep-blobs', example)
  await run(root, 'tag', 'world-clock', 'other:2')
  await run(root, 'create', '-n', 'work', 'world-clock')
  await run(root, 'mount', 'work', '--', 'sh', '-c', 'cd "$VARVE_MOUNT"; echo x >x; rm -r etc')
  return root
}

describe('convert', () => {
  test.skipIf(!isRoot)(
    'there and back everything is as it was, and only one driver is there (needs root)',
    async () => {
      const root = await store()
      const before = await kept(root)
      for (const [name, folder] of [
        ['overlay', 'overlay2'],
        ['vfs', 'vfs'],
      ] as const) {
        const [done] = jsonLines(await run(root, 'convert', '--to', name, '--json'))
        expect(done).toMatchObject({ to: folder, layers: 4, images: 1, removed: true })
        expect(await kept(root)).toEqual(before)
        await expectClean(root)
      }
      expect(existsSync(join(root, 'overlay2'))).toBe(false)
    },
  )

  test.skipIf(!isRoot)('killed anywhere, it is begun again (needs root)', async () => {
    const root = await store()
    const before = await kept(root)
    const layers = join(root, 'image/overlay2/layerdb/sha256')
    // With `--keep`, since it may be done before it is killed.
    await varve(['convert', '--to', 'overlay2', '--keep'], {
      root,
      during: async (child) => {
        await until(async () => existsSync(layers) || child.exitCode !== null)
        child.kill('SIGKILL')
      },
    })
    await run(root, '--driver', 'vfs', 'convert', '--to', 'overlay2', '--keep')
    expect(await kept(root, '--driver', 'overlay2')).toEqual(before)
    expect(await kept(root, '--driver', 'vfs')).toEqual(before)
  })

  test('to the same driver, to none, or while something is mounted it changes nothing', async () => {
    const root = await store()
    const before = await kept(root)
    const path = await run(root, 'mount', 'work')
    for (const to of ['vfs', 'aufs', 'overlay2']) {
      const { code } = await varveHere(['convert', '--to', to], { root })
      expect(code).toBe(1)
    }
    expect(existsSync(path)).toBe(true)
    await run(root, 'umount', 'work')
    expect(await kept(root)).toEqual(before)
  })
})

test.runIf(process.env.CI)('conversions are tested where they must be', () => {
  expect(isRoot).toBe(true)
})
